/** A text with line numbers; lines with problems are marked, and a problem leads to its line. */
import { useRef } from 'react';
import { useTranslation } from 'react-i18next';
import type { RuleProblem } from '../rules/types';
import classes from './editor.module.css';

/** Where a line begins and ends in a text; lines count from 1. */
export function lineBounds(text: string, line: number): [number, number] {
  const lines = text.split('\n');
  const at = Math.max(1, Math.min(line, lines.length));
  const start = lines.slice(0, at - 1).reduce((sum, each) => sum + each.length + 1, 0);
  return [start, start + (lines[at - 1]?.length ?? 0)];
}

interface EditorProps {
  text: string;
  problems: readonly RuleProblem[];
  readOnly: boolean;
  onChange: (text: string) => void;
}

export function Editor({ text, problems, readOnly, onChange }: EditorProps) {
  const { t } = useTranslation('rules');
  const area = useRef<HTMLTextAreaElement>(null);
  const wrong = new Set(problems.map(({ line }) => line));
  const count = Math.max(text.split('\n').length, 12);
  const goTo = (line: number | null | undefined) => {
    const element = area.current;
    if (!element || !line) return;
    element.focus();
    element.setSelectionRange(...lineBounds(text, line));
    element.parentElement?.scrollTo({ top: Math.max(0, (line - 4) * 24) });
  };
  return (
    <div>
      <div className={classes.editor}>
        <div className={classes.gutter} aria-hidden="true">
          {Array.from({ length: count }, (_, at) => (
            // biome-ignore lint/suspicious/noArrayIndexKey: a line's number is what it is
            <span key={at} data-wrong={wrong.has(at + 1) || undefined}>
              {at + 1}
            </span>
          ))}
        </div>
        <textarea
          ref={area}
          className={classes.text}
          aria-label={t('editor')}
          aria-invalid={problems.length > 0}
          spellCheck={false}
          autoCapitalize="off"
          rows={count}
          readOnly={readOnly}
          value={text}
          onChange={(event) => onChange(event.currentTarget.value)}
        />
      </div>
      {problems.length > 0 && (
        <ul className={classes.problems} role="alert">
          {problems.map((problem) => (
            <li key={`${problem.line} ${problem.text}`}>
              <button type="button" onClick={() => goTo(problem.line)}>
                <strong>{problem.line ? t('line', { line: problem.line }) : t('wholeFile')}</strong>{' '}
                {problem.text}
              </button>
            </li>
          ))}
        </ul>
      )}
    </div>
  );
}
