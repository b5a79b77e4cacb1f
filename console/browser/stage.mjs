/** The simulated site behind the browser: `kouan-stage` as a child, and lines to break it. */
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { createInterface } from 'node:readline';

/** How long the site may take to come up, with 1,434 devices. */
const START_MS = 90_000;
const ANSWER_MS = 30_000;

function program() {
  const folder = process.env.KOUAN_BIN_DIR ?? new URL('../../target/debug', import.meta.url).pathname;
  const path = `${folder}/kouan-stage`;
  if (!existsSync(path)) throw new Error(`${path} is not built; run \`make build\``);
  return path;
}

export class Stage {
  #child;
  #waiting = [];
  #lines = [];
  #problems = '';

  /** Starts the site and waits until every device works. */
  static async start(args) {
    const stage = new Stage();
    stage.#child = spawn(program(), args, { stdio: ['pipe', 'pipe', 'pipe'] });
    stage.#child.stderr.on('data', (data) => {
      stage.#problems = (stage.#problems + data).slice(-4000);
    });
    createInterface({ input: stage.#child.stdout }).on('line', (line) => {
      const waiting = stage.#waiting.shift();
      if (waiting) waiting.resolve(JSON.parse(line));
      else stage.#lines.push(JSON.parse(line));
    });
    stage.#child.on('exit', (code) => {
      for (const waiting of stage.#waiting)
        waiting.reject(new Error(`the stage ended (${code}): ${stage.#problems}`));
    });
    Object.assign(stage, await stage.#next(START_MS));
    return stage;
  }

  async #next(ms) {
    const line = this.#lines.shift();
    if (line) return line;
    let timer;
    const answer = new Promise((resolve, reject) => {
      this.#waiting.push({ resolve, reject });
      timer = setTimeout(
        () => reject(new Error(`the stage said nothing for ${ms} ms: ${this.#problems}`)),
        ms,
      );
    });
    return answer.finally(() => clearTimeout(timer));
  }

  /** Has a line carried out; see `tests/src/bin/kouan-stage`. */
  async say(line) {
    this.#child.stdin.write(`${line}\n`);
    const answer = await this.#next(ANSWER_MS);
    if (!answer.ok) throw new Error(`${line}: ${answer.error}`);
    return answer.answer;
  }

  /** Asks the API with the key of the whole collector. */
  async api(path, method = 'GET', body = undefined) {
    const response = await fetch(`${this.url}/api/v1${path}`, {
      method,
      headers: {
        authorization: `Bearer ${this.key}`,
        ...(body ? { 'content-type': 'application/json' } : {}),
      },
      ...(body ? { body: JSON.stringify(body) } : {}),
    });
    const text = await response.text();
    if (!response.ok) throw new Error(`${method} ${path}: ${response.status} ${text}`);
    return text ? JSON.parse(text) : null;
  }

  /** Makes somebody who knows the password of the stage, having replaced the first one as a person would. */
  async person(name, grants) {
    const { user, password } = await this.api('/users', 'POST', { name, grants });
    const session = await fetch(`${this.url}/api/v1/session`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ name, password }),
    });
    const { page_token } = await session.json();
    const changed = await fetch(`${this.url}/api/v1/session/password`, {
      method: 'PUT',
      headers: {
        'content-type': 'application/json',
        cookie: session.headers.get('set-cookie').split(';')[0],
        'x-kouan-page-token': page_token,
      },
      body: JSON.stringify({ current: password, new: this.password }),
    });
    if (!changed.ok) throw new Error(`the password of ${name}: ${changed.status} ${await changed.text()}`);
    return user;
  }

  async stop() {
    if (this.#child.exitCode !== null) return;
    const ended = new Promise((resolve) => this.#child.once('exit', resolve));
    this.#child.stdin.end();
    await ended;
  }
}
