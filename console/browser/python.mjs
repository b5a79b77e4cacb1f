/** Programs in Python that the project did not write: what reads workbooks and codes. */
import { execFileSync } from 'node:child_process';

/** What a script prints, with `target/venv` of `make test-setup`. */
export function python(script, args, input = '') {
  const program =
    process.env.KOUAN_TEST_PYTHON ?? new URL('../../target/venv/bin/python', import.meta.url).pathname;
  return execFileSync(program, ['-c', script, ...args], { encoding: 'utf8', input });
}
