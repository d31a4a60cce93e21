import { status } from '@grpc/grpc-js';
import type { Fault } from './fault.ts';
import { ADDRESSES } from './installation.ts';
import { pick } from './random.ts';
import { FINAL, type Mood, RETRYABLE } from './receiver.ts';

/** The receiver is in a mood for a while. */
function mood(name: string, of: (form: number) => Mood): Fault {
  return {
    name: `receiver ${name}`,
    subject: 'receiver',
    run: async ({ receiver }, { form }, lasting) => {
      receiver.mood = of(form);
      await lasting();
      receiver.mood = { kind: 'working' };
    },
  };
}

const field = (tag: number, bytes: Buffer): Buffer =>
  Buffer.concat([Buffer.from([tag, bytes.length]), bytes]);

/** google.rpc.Status with a RetryInfo of half a second among its details. */
const RETRY_INFO = field(
  0x1a,
  Buffer.concat([
    field(0x0a, Buffer.from('type.googleapis.com/google.rpc.RetryInfo')),
    field(0x12, field(0x0a, Buffer.from([0x10, 0x80, 0x8a, 0xb5, 0xee, 0x01]))),
  ]),
);

export const OF_RECEIVER: readonly Fault[] = [
  {
    name: 'receiver away',
    subject: 'receiver',
    run: async ({ receiver }, _, lasting) => {
      await receiver.leave();
      await lasting();
      await receiver.listen();
    },
  },
  mood('slow', (form) => ({ kind: 'slow', delay: 200 + form * 3_000 })),
  mood('silent', () => ({ kind: 'silent' })),
  ...RETRYABLE.map((code) =>
    mood(`refusing for now with ${status[code]}`, () => ({ kind: 'refusing', code })),
  ),
  ...FINAL.map((code) =>
    mood(`refusing for good with ${status[code]}`, () => ({ kind: 'refusing', code })),
  ),
  mood('overloaded', () => ({
    kind: 'refusing',
    code: status.RESOURCE_EXHAUSTED,
    retryInfo: RETRY_INFO,
  })),
  mood('that finds batches too large', () => ({ kind: 'small' })),
  mood('partly accepting', () => ({ kind: 'partial' })),
  mood('behind a page', (form) => ({ kind: 'page', status: pick([502, 503, 504, 200], form) })),
  {
    name: 'receiver cutting connections',
    subject: 'receiver',
    run: async ({ receiver }, _, lasting) => {
      const timer = setInterval(() => receiver.cut(), 300);
      await lasting();
      clearInterval(timer);
    },
  },
  {
    name: 'receiver closing connections in order',
    subject: 'receiver',
    run: async ({ receiver }, _, lasting) => {
      const timer = setInterval(() => receiver.goAway(), 300);
      await lasting();
      clearInterval(timer);
    },
  },
  {
    name: 'receiver moved to another address of its name',
    subject: 'receiver',
    run: async (installation, _, lasting) => {
      const { receiver, hosts } = installation;
      await receiver.leave();
      if (hosts !== undefined)
        receiver.address = ADDRESSES.find((to) => to !== receiver.address) ?? '';
      installation.resolveTo(receiver.address);
      await receiver.listen();
      await lasting();
    },
  },
];
