import { OtlpSpanKind, type ReceivedSpan } from '../../src/demo/otlp-receiver.ts';

/** A request by its path, which no other has. Times are those of `performance.now()`. */
export type Sent = {
  readonly path: string;
  /** What a caller's `traceparent` had. */
  readonly parent: { readonly traceId: string; readonly spanId: string } | undefined;
  readonly started: number;
  ended: number | undefined;
  failure: string | undefined;
  /** The client left before its answer, or an end without one is right. */
  left: boolean;
  /** From `Server-Timing`; empty where the client left before. */
  traceId: string;
  /** The process of HAProxy that answered; empty where none did. */
  worker: string;
  /** The `traceparent` that came to the server. */
  upstream: string;
};

type Span = Pick<ReceivedSpan, 'traceId' | 'spanId' | 'parentSpanId'> & {
  readonly path: string;
  /** As HAProxy has it, of a SERVER span. */
  readonly end: string;
};

/** Hops that a fault may cost: at most `most` of `paths` and of requests that started from `from` until `until`. */
type Loss = {
  readonly reason: string;
  readonly paths: ReadonlySet<string>;
  readonly from: number;
  readonly until: number;
  readonly most: number;
  /** Whether it may cost this one; asked when the episode is over. */
  readonly applies: (sent: Sent) => boolean;
};

/** Requests that are under way meanwhile may end with these failures. */
type Window = { readonly from: number; until: number; readonly failures: RegExp };

/** Spans by what became of them, by the account of agents. */
export type AgentTerms = {
  readonly exported: number;
  readonly refused: number;
  /** Because the queue was full. */
  readonly dropped: number;
  /** Not exported in time when an agent stopped. */
  readonly waiting: number;
  /** Calls that were repeated, as the receiver asked for it or did not answer. */
  readonly retries: number;
  /** Records, by what HAProxy's ring reported. */
  readonly droppedByHaproxy: number;
  /** Agents of whose last moments nothing is known, as they were killed. */
  readonly unknown: number;
};

export type Verdict = {
  readonly violations: readonly string[];
  /** What became of all hops, by term. */
  readonly terms: Readonly<Record<string, number>>;
};

/** What is named of violations of one kind. */
const MOST_NAMED = 5;

/**
 * The law of one episode: each request that ended has one hop, which was exported once, or is in a term of its own:
 * refused by the receiver, dropped by the agent or by HAProxy by their own accounts, or lost by a fault within its bound.
 */
export class Account {
  private readonly requests = new Map<string, Sent>();
  private readonly servers = new Map<string, Span>();
  private readonly clients = new Map<string, Span>();
  /** SERVER spans by path: more than one is a hop that was doubled. */
  private readonly hops = new Map<string, string[]>();
  private readonly refused = new Set<string>();
  private readonly losses: Loss[] = [];
  private readonly used = new Map<Loss, number>();
  private readonly failing: Window[] = [];
  private readonly violations: string[] = [];
  private acceptedSpans = 0;
  private refusedSpans = 0;
  private repeatedSpans = 0;
  private repeatedCalls = 0;
  private refusedCalls = 0;
  /** Hops of requests that HAProxy could not read. */
  private unread = 0;
  /** When a span came last. */
  lastAt = performance.now();

  begin(path: string, parent: Sent['parent']): Sent {
    const sent: Sent = {
      path,
      parent,
      started: performance.now(),
      ended: undefined,
      failure: undefined,
      left: false,
      traceId: '',
      worker: '',
      upstream: '',
    };
    this.requests.set(path, sent);
    return sent;
  }

  atServer(path: string, traceparent: string): void {
    const sent = this.requests.get(path);
    if (sent !== undefined) sent.upstream = traceparent;
  }

  readonly accept = (spans: readonly ReceivedSpan[]): void => {
    this.lastAt = performance.now();
    this.acceptedSpans += spans.length;
    const repeated = spans.filter((span) => this.acceptSpan(span) === 'again').length;
    this.repeatedSpans += repeated;
    if (repeated > 0) this.repeatedCalls += 1;
  };

  /** A call was refused for now, or not answered. */
  readonly refuseForNow = (): void => {
    this.refusedCalls += 1;
  };

  readonly refuse = (spans: readonly ReceivedSpan[]): void => {
    this.lastAt = performance.now();
    this.refusedSpans += spans.length;
    for (const span of spans) {
      this.refused.add(span.spanId);
      if (span.kind === OtlpSpanKind.SERVER) this.refused.add(pathOf(span));
    }
  };

  /** Nobody listens from now on, until what is returned is called. */
  nobodyListens(): () => void {
    return this.openWindow(/./);
  }

  /** Connections of which HAProxy has not read a request are closed, as it does when it is reloaded. */
  connectionsClose(): () => void {
    return this.openWindow(/hang up|ECONNRESET|EPIPE|answered ""/);
  }

  /** Paths of requests that have no exported hop yet, those that are under way among them. */
  unexported(): Set<string> {
    const open = [...this.requests.values()].filter(({ path }) => !this.isDone(path));
    return new Set(open.map(({ path }) => path));
  }

  /** `from` and `until` are now where they are left out. */
  mayLose(loss: Pick<Loss, 'reason' | 'paths' | 'most'> & Partial<Loss>): void {
    const now = performance.now();
    this.losses.push({ from: now, until: now, applies: () => true, ...loss });
  }

  /** Hops that have to come and did not. */
  missing(): Sent[] {
    return [...this.requests.values()].filter(
      (sent) => this.isRequired(sent) && !this.isDone(sent.path),
    );
  }

  get sent(): number {
    return this.requests.size;
  }

  /** To be asked when nothing comes any more. */
  verdict(agents: AgentTerms): Verdict {
    const { requests } = this;
    for (const sent of requests.values()) this.checkRequest(sent);
    for (const { spanId, parentSpanId, path } of this.clients.values()) {
      if (this.servers.has(parentSpanId) || this.refused.has(parentSpanId)) continue;
      this.violations.push(`no parent: CLIENT span ${spanId} of ${parentSpanId} (${path})`);
    }
    const terms: Record<string, number> = {};
    const add = (term: string): void => {
      terms[term] = (terms[term] ?? 0) + 1;
    };
    let droppedByAgent = agents.dropped;
    let droppedByHaproxy = agents.droppedByHaproxy;
    for (const sent of requests.values()) {
      const { path } = sent;
      if (this.hops.has(path)) add('exported');
      else if (this.refused.has(path)) add('refused by the receiver');
      else if (!this.isRequired(sent))
        add(sent.left ? 'left before it was read' : 'failed by the fault');
      else if (droppedByAgent > 0) {
        droppedByAgent -= 1;
        add('dropped by the agent');
      } else if (droppedByHaproxy > 0) {
        droppedByHaproxy -= 1;
        add('dropped by HAProxy');
      } else {
        const loss = this.lossOf(sent);
        add(loss ?? 'UNACCOUNTED');
        if (loss === undefined) this.violations.push(`lost: ${describe(sent)}`);
      }
    }
    this.checkAgents(agents);
    const broken = [...requests.values()].filter((sent) => !this.isRequired(sent)).length;
    if (this.unread > broken) {
      this.violations.push(`invented: ${this.unread} hops without a request, of ${broken} broken`);
    }
    return {
      violations: summarized(this.violations),
      terms: { requests: requests.size, ...terms, 'spans repeated': this.repeatedSpans },
    };
  }

  private acceptSpan(span: ReceivedSpan): 'first' | 'again' {
    const { kind, spanId, parentSpanId, traceId } = span;
    const known = kind === OtlpSpanKind.SERVER ? this.servers : this.clients;
    if (known.has(spanId)) return 'again';
    const path = pathOf(span);
    const end = String(span.attributes['haproxy.termination_state']);
    known.set(spanId, { spanId, parentSpanId, traceId, path, end });
    if (kind === OtlpSpanKind.SERVER && path === UNREAD) this.unread += 1;
    else if (kind === OtlpSpanKind.SERVER) {
      this.hops.set(path, [...(this.hops.get(path) ?? []), spanId]);
      if (!this.requests.has(path)) this.violations.push(`invented: a hop of ${path}`);
    } else if (!this.servers.has(parentSpanId) && !this.refused.has(parentSpanId)) {
      this.violations.push(`before its parent: CLIENT span ${spanId}`);
    }
    return 'first';
  }

  private checkRequest(sent: Sent): void {
    const { path, failure, parent, traceId, upstream } = sent;
    if (failure !== undefined && !this.mayFail(sent)) {
      const [hop = ''] = this.hops.get(path) ?? [];
      this.violations.push(
        `failed: ${describe(sent)}; for HAProxy ${this.servers.get(hop)?.end ?? 'nothing'}`,
      );
    }
    const [id, ...others] = this.hops.get(path) ?? [];
    if (others.length > 0) this.violations.push(`doubled: ${describe(sent)}`);
    const server = id === undefined ? undefined : this.servers.get(id);
    if (server === undefined) return;
    if (parent !== undefined && parent.traceId !== server.traceId) {
      this.violations.push(`not continued: ${describe(sent)}`);
    }
    if (parent !== undefined && parent.spanId !== server.parentSpanId) {
      this.violations.push(`not under its caller: ${describe(sent)}`);
    }
    if (traceId !== '' && traceId !== server.traceId) {
      this.violations.push(`the client was sent another trace: ${describe(sent)}`);
    }
    const [, upstreamTrace, upstreamSpan] = upstream.split('-');
    if (upstreamSpan === undefined) return;
    const client = this.clients.get(upstreamSpan);
    if (upstreamTrace !== server.traceId) {
      this.violations.push(`the server was sent another trace: ${describe(sent)}`);
    }
    if (client === undefined && !this.refused.has(upstreamSpan)) {
      this.violations.push(`the parent of the server's span is missing: ${describe(sent)}`);
    }
    if (client !== undefined && client.parentSpanId !== server.spanId) {
      this.violations.push(`a CLIENT span is under another SERVER span: ${describe(sent)}`);
    }
  }

  /**
   * What agents count is what the receiver has. A call comes again only if the agent had no answer to it: it was refused
   * for now, or its answer was lost or came too late, which the agent counts and the receiver does not know.
   */
  private checkAgents({ exported, refused, dropped, waiting, retries, unknown }: AgentTerms): void {
    if (unknown > 0) return;
    const unanswered = retries - this.refusedCalls;
    if (this.repeatedCalls > Math.max(0, unanswered)) {
      this.violations.push(
        `doubled: ${this.repeatedCalls} calls came again; of ${retries} that agents repeated ${this.refusedCalls} were refused for now`,
      );
    }
    const more = this.acceptedSpans - this.repeatedSpans - exported;
    if (more < 0 || more > dropped + waiting) {
      this.violations.push(
        `miscounted: ${exported} spans exported by account of the agents, ${this.acceptedSpans} came, ${this.repeatedSpans} of them again`,
      );
    }
    if (refused > this.refusedSpans || (refused < this.refusedSpans && unanswered <= 0)) {
      this.violations.push(
        `miscounted: ${refused} spans refused by account of the agents, it is ${this.refusedSpans}`,
      );
    }
  }

  private lossOf(sent: Sent): string | undefined {
    const { path, started } = sent;
    const loss = this.losses.find(
      (each) =>
        (this.used.get(each) ?? 0) < each.most &&
        (each.paths.has(path) || (started >= each.from && started <= each.until)) &&
        each.applies(sent),
    );
    if (loss !== undefined) this.used.set(loss, (this.used.get(loss) ?? 0) + 1);
    return loss?.reason;
  }

  private isDone(path: string): boolean {
    return this.hops.has(path) || this.refused.has(path);
  }

  /** Of a client that left before HAProxy read its request there is none. */
  private isRequired({ ended, failure, left, upstream }: Sent): boolean {
    return ended !== undefined && failure === undefined && (!left || upstream !== '');
  }

  private mayFail({ started, ended, failure = '' }: Sent): boolean {
    return this.failing.some(
      ({ from, until, failures }) =>
        started <= until && (ended ?? until) >= from && failures.test(failure),
    );
  }

  private openWindow(failures: RegExp): () => void {
    const window = {
      from: performance.now(),
      until: Number.POSITIVE_INFINITY,
      failures,
    };
    this.failing.push(window);
    return () => {
      window.until = performance.now();
    };
  }
}

/** In place of a path where a client left in the midst of its request, or before. */
const UNREAD = 'undefined';

function pathOf({ attributes }: ReceivedSpan): string {
  return String(attributes['url.path']);
}

function describe({ path, started, ended, failure }: Sent): string {
  const took = ended === undefined ? 'open' : `${Math.round(ended - started)} ms`;
  return `${path} at ${Math.round(started)}, ${took}${failure === undefined ? '' : `: ${failure}`}`;
}

/** The first of each kind, and how many more there are. */
function summarized(violations: readonly string[]): string[] {
  const kinds: Record<string, string[]> = {};
  for (const text of violations) {
    const kind = text.split(':', 1)[0] ?? '';
    kinds[kind] = [...(kinds[kind] ?? []), text];
  }
  return Object.values(kinds).flatMap((all) => [
    ...all.slice(0, MOST_NAMED),
    ...(all.length > MOST_NAMED ? [`… and ${all.length - MOST_NAMED} more of these`] : []),
  ]);
}
