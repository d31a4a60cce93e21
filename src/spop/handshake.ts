import { MIN_MAX_FRAME_SIZE, PIPELINING, StatusCode, VERSION } from './constants.ts';
import type { HaproxyHello } from './decode.ts';
import { SpopError } from './error.ts';

/** What both sides agreed on in the HELLO handshake. */
export type Agreement = {
  readonly maxFrameSize: number;
  readonly pipelining: boolean;
  readonly healthcheck: boolean;
  readonly engineId: string | undefined;
};

const MAJOR = majorOf(VERSION);

/**
 * Answers HAProxy's offer (section 3.2.4): version 2.0, the smaller of both frame sizes, pipelining
 * where HAProxy has it.
 *
 * @param maxFrameSize the largest frame that this agent accepts, in bytes
 * @throws SpopError UNSUPPORTED_VERSION, BAD_MAX_FRAME_SIZE
 */
export function negotiate(hello: HaproxyHello, maxFrameSize: number): Agreement {
  if (!hello.supportedVersions.some((version) => majorOf(version) === MAJOR)) {
    throw new SpopError(
      StatusCode.UNSUPPORTED_VERSION,
      `SPOP ${hello.supportedVersions.join(', ').slice(0, 100)} offered, ${VERSION} supported`,
    );
  }
  if (hello.maxFrameSize < MIN_MAX_FRAME_SIZE) {
    throw new SpopError(
      StatusCode.BAD_MAX_FRAME_SIZE,
      `max-frame-size ${hello.maxFrameSize} offered, at least ${MIN_MAX_FRAME_SIZE} needed`,
    );
  }
  return {
    maxFrameSize: Math.min(hello.maxFrameSize, maxFrameSize),
    pipelining: hello.capabilities.includes(PIPELINING),
    healthcheck: hello.healthcheck,
    engineId: hello.engineId,
  };
}

/** A version announces all earlier minor ones of the same major. */
function majorOf(version: string): string {
  return version.split('.', 1)[0] ?? '';
}
