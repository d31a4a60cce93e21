// Builds that are compared: this one, and an older one.
import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';

/** A checkout that was built, with its dependencies. */
export class Build {
  constructor(root) {
    this.root = root;
    this.main = join(root, 'dist/main.js');
    if (existsSync(this.main)) return;
    throw new Error(`${this.main} is not there: "npm ci && npm run build" in ${root}`);
  }

  /** Its own module at `path`. */
  import(path) {
    return import(pathToFileURL(join(this.root, path)).href);
  }

  /** Before it could wire a configuration, a build was used by copying its example. */
  get hasAdd() {
    return existsSync(join(this.root, 'dist/wiring'));
  }

  /**
   * What `add` makes of a configuration, with the engine's file beside it in `folder`.
   *
   * @returns undefined where this build does not know one of the options
   */
  add(folder, text, haproxy, options) {
    const file = join(folder, 'haproxy.cfg');
    writeFileSync(file, text);
    const args = ['add', '-f', file, '--haproxy', haproxy, ...options, '--write'];
    try {
      execFileSync(process.execPath, [this.main, ...args], { cwd: folder, stdio: 'pipe' });
    } catch (error) {
      if (/Unknown option|unknown option/.test(String(error.stderr))) return undefined;
      throw error;
    }
    return readFileSync(file, 'utf8');
  }
}

export const THIS = new Build(dirname(dirname(fileURLToPath(import.meta.url))));
