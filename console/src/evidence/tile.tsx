/** One picture among others, small. */
import { useState } from 'react';
import { useTranslation } from 'react-i18next';
import { apiAddress } from '../api/client';
import { bytesText } from '../ui/number';
import { TimeText } from '../ui/time-text';
import classes from './evidence.module.css';
import type { Evidence } from './types';

export function addressOf(evidence: Evidence): string {
  return apiAddress(`/evidence/${encodeURIComponent(evidence.id)}`);
}

/** What is said where the picture is not there. */
export function Absent({ evidence, failed }: { evidence: Evidence; failed: boolean }) {
  const { t } = useTranslation('evidence');
  if (evidence.state === 'removed') {
    const { by = '', reason = '' } = evidence.removed ?? {};
    return (
      <span className={classes.absent}>
        <strong>{t('removed')}</strong>
        <span>{t('removedBy', { by, reason })}</span>
      </span>
    );
  }
  return (
    <span className={classes.absent}>
      <strong>{t(failed ? 'failed' : 'lost')}</strong>
      <span>{t(failed ? 'failedText' : 'lostText')}</span>
    </span>
  );
}

/** What somebody who cannot see the picture is told of it. */
export function useAlt(): (evidence: Evidence) => string {
  const { t } = useTranslation('evidence');
  return (evidence) => evidence.note || t('alt', { by: evidence.by });
}

export function Tile({ evidence, onOpen }: { evidence: Evidence; onOpen: () => void }) {
  const { t } = useTranslation('evidence');
  const altOf = useAlt();
  const [failed, setFailed] = useState(false);
  const isThere = evidence.state === 'kept' && !failed;
  return (
    <li className={classes.tile}>
      <button type="button" className={classes.open} onClick={onOpen}>
        {isThere ? (
          <img
            src={addressOf(evidence)}
            alt={altOf(evidence)}
            loading="lazy"
            decoding="async"
            onError={() => setFailed(true)}
          />
        ) : (
          <Absent evidence={evidence} failed={failed} />
        )}
      </button>
      <div className={classes.caption}>
        <TimeText ms={evidence.taken_ms} site={evidence.site} />
        <span className="k-dim">
          {t(`by.${evidence.by_kind}`, { name: evidence.by })} · {evidence.width}×{evidence.height} ·{' '}
          {bytesText(evidence.bytes)}
        </span>
        {evidence.note && <span className={classes.note}>{evidence.note}</span>}
      </div>
    </li>
  );
}

/** A picture no larger than a line of a list. */
export function Thumbnail({ evidence, onOpen }: { evidence: Evidence; onOpen: () => void }) {
  const { t } = useTranslation('evidence');
  const altOf = useAlt();
  const [failed, setFailed] = useState(false);
  if (evidence.state !== 'kept' || failed)
    return <span className="k-dim">{t(failed ? 'failed' : evidence.state)}</span>;
  return (
    <button type="button" className={classes.thumbnail} onClick={onOpen}>
      <img
        src={addressOf(evidence)}
        alt={altOf(evidence)}
        loading="lazy"
        decoding="async"
        onError={() => setFailed(true)}
      />
    </button>
  );
}
