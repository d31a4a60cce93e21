import { type ChildProcess, spawn } from 'node:child_process';
import { until } from '../agent-process.ts';

/** Perl is on every Debian, and has what Node has not: each datagram becomes a line, its lines parted by tabs. */
const RECEIVER = `
use Socket;
$| = 1;
my $name = $ARGV[0];
$name =~ s/^@/\\0/;
socket(my $socket, PF_UNIX, SOCK_DGRAM, 0) or die;
bind($socket, pack_sockaddr_un($name)) or die;
print "bound\\n";
while (defined recv($socket, my $message, 65536, 0)) {
    $message =~ s/\\n+$//;
    $message =~ s/\\n/\\t/g;
    print "$message\\n";
}
`;

/** systemd's side of a notification socket; a name that begins with @ is an abstract one. */
export class Supervisor {
  readonly socket: string;
  private text = '';
  private readonly process: ChildProcess;

  private constructor(socket: string) {
    this.socket = socket;
    this.process = spawn('perl', ['-e', RECEIVER, socket], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    this.process.stdout?.setEncoding('utf8').on('data', (text: string) => {
      this.text += text;
    });
  }

  static async start(socket: string): Promise<Supervisor> {
    const supervisor = new Supervisor(socket);
    await until('the socket', () => supervisor.text.startsWith('bound\n'));
    return supervisor;
  }

  /** What came so far, beside the barrier behind each message. */
  get messages(): string[] {
    return this.text
      .split('\n')
      .slice(1, -1)
      .filter((message) => message !== 'BARRIER=1');
  }

  async end(): Promise<void> {
    this.process.kill('SIGKILL');
  }
}
