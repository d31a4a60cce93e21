/** Numbers and names of SPOP 2.0, as HAProxy's doc/SPOE.txt (section 3) spells them. */

export const VERSION = '2.0';

/** The one capability this agent offers; "async" and "fragmentation" left the protocol. */
export const PIPELINING = 'pipelining';

/** Bytes of the length that precedes each frame. */
export const LENGTH_BYTES = 4;

/** Frame type, flags, and the shortest stream and frame identifiers. */
export const MIN_FRAME_BYTES = 1 + 4 + 1 + 1;

/** The specification's lower limit of max-frame-size. */
export const MIN_MAX_FRAME_SIZE = 256;

export const FrameType = {
  HAPROXY_HELLO: 1,
  HAPROXY_DISCONNECT: 2,
  NOTIFY: 3,
  AGENT_HELLO: 101,
  AGENT_DISCONNECT: 102,
  ACK: 103,
} as const;
export type FrameType = (typeof FrameType)[keyof typeof FrameType];

export const Flag = { FIN: 1, ABORT: 2 } as const;

export const DataType = {
  NULL: 0,
  BOOLEAN: 1,
  INT32: 2,
  UINT32: 3,
  INT64: 4,
  UINT64: 5,
  IPV4: 6,
  IPV6: 7,
  STRING: 8,
  BINARY: 9,
} as const;
export type DataType = (typeof DataType)[keyof typeof DataType];

/** The value of a BOOLEAN sits in the first flag bit of its type byte. */
export const BOOLEAN_TRUE = 0x10;

export const ActionType = { SET_VAR: 1, UNSET_VAR: 2 } as const;

export const Scope = { PROCESS: 0, SESSION: 1, TRANSACTION: 2, REQUEST: 3, RESPONSE: 4 } as const;
export type Scope = (typeof Scope)[keyof typeof Scope];

/** Status codes of DISCONNECT frames (section 3.5). */
export const StatusCode = {
  NORMAL: 0,
  IO_ERROR: 1,
  TIMEOUT: 2,
  FRAME_TOO_BIG: 3,
  INVALID_FRAME: 4,
  NO_VERSION: 5,
  NO_MAX_FRAME_SIZE: 6,
  NO_CAPABILITIES: 7,
  UNSUPPORTED_VERSION: 8,
  BAD_MAX_FRAME_SIZE: 9,
  FRAGMENTATION_NOT_SUPPORTED: 10,
  INTERLACED_FRAMES: 11,
  FRAME_ID_NOT_FOUND: 12,
  RESOURCE_ALLOCATION: 13,
  UNKNOWN: 99,
} as const;
export type StatusCode = (typeof StatusCode)[keyof typeof StatusCode];
