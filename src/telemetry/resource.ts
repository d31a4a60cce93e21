import { basename } from 'node:path';
import {
  detectResources,
  hostDetector,
  processDetector,
  type Resource,
  resourceFromAttributes,
} from '@opentelemetry/resources';

/** What all that this process exports has in common. */
export type SpanScope = {
  readonly resource: Resource;
  readonly instrumentationScope: { readonly name: string; readonly version: string };
};

/** The host and process this agent runs on; what the user set wins. */
export async function createResource(
  attributes: Readonly<Record<string, string>>,
): Promise<Resource> {
  const detected = detectResources({ detectors: [hostDetector, processDetector] });
  await detected.waitForAsyncAttributes?.();
  // The detector has the title of the process there, which is a path where it was started by one.
  const executable = { 'process.executable.name': basename(process.execPath) };
  return detected.merge(resourceFromAttributes({ ...executable, ...attributes }));
}
