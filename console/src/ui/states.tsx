/** What stands where there is nothing to show: empty, loading, broken. */
import { Button, Skeleton, Stack, Text } from '@mantine/core';
import { useTranslation } from 'react-i18next';
import { Problem } from '../api/client';
import classes from './states.module.css';

interface EmptyStateProps {
  title: string;
  text?: React.ReactNode;
  action?: React.ReactNode;
}

/** Nothing is there, and why, and what to do about it. */
export function EmptyState({ title, text, action }: EmptyStateProps) {
  return (
    <div className={classes['state']}>
      <svg
        width="72"
        height="44"
        viewBox="0 0 72 44"
        fill="none"
        stroke="var(--k-line)"
        strokeWidth="2"
        aria-hidden="true"
      >
        <path d="M4 40h64M12 40V18h14v22M46 40V10h14v30M26 24h20M26 30h20" />
      </svg>
      <Text fw={600}>{title}</Text>
      {text && <div className={classes['text']}>{text}</div>}
      {action}
    </div>
  );
}

/** What went wrong, in words that somebody can act on. */
export function useProblemText(): (error: unknown) => string {
  const { t, i18n } = useTranslation('common');
  return (error) => {
    if (!(error instanceof Problem)) return t('problem.inside');
    if (error.status === 0) return t(`problem.${error.word === 'timeout' ? 'timeout' : 'unreachable'}`);
    const key = `problem.${error.word}`;
    const known = i18n.exists(key, { ns: 'common' }) ? t(key) : t('problem.other', { status: error.status });
    const said = (i18n.language === 'zh' && error.detailZh) || error.detail;
    const detail = error.problems.length > 0 ? error.problems.join('; ') : said;
    return detail && error.status !== 500 ? `${known} (${detail})` : known;
  };
}

interface ProblemStateProps {
  error: unknown;
  retry?: () => void;
}

export function ProblemState({ error, retry }: ProblemStateProps) {
  const { t } = useTranslation('common');
  const text = useProblemText();
  const isMissing = error instanceof Problem && error.status === 404;
  return (
    <div className={classes['state']} role="alert">
      <svg width="40" height="40" viewBox="0 0 40 40" aria-hidden="true">
        <path d="M20 3 37 20 20 37 3 20z" fill="none" stroke="var(--k-bad)" strokeWidth="2.5" />
        <path d="M20 12v10M20 27v.5" stroke="var(--k-bad)" strokeWidth="3" strokeLinecap="round" />
      </svg>
      <Text fw={600}>{isMissing ? t('problem.missingTitle') : t('problem.title')}</Text>
      <div className={classes['text']}>{text(error)}</div>
      {retry && (
        <Button variant="default" onClick={retry}>
          {t('retry')}
        </Button>
      )}
    </div>
  );
}

/** Grey bars while the first answer is on its way. */
export function LoadingState({ rows = 6 }: { rows?: number }) {
  const { t } = useTranslation('common');
  return (
    <Stack gap="xs" p="md" aria-busy="true" aria-label={t('loading')}>
      {Array.from({ length: rows }, (_, at) => (
        // biome-ignore lint/suspicious/noArrayIndexKey: bars are all alike
        <Skeleton key={at} height={18} width={`${92 - ((at * 17) % 40)}%`} />
      ))}
    </Stack>
  );
}
