/** Lists of what stands around something, with how each is now. */
import { useTranslation } from 'react-i18next';
import { useWords } from '../../i18n/words';
import { HealthBadge } from '../../ui/badges';
import { AppLink } from '../../ui/link';
import type { Beside } from './around';
import classes from './assets.module.css';
import { isCurrent, levelOf } from './data';

export function AroundList({ of }: { of: readonly Beside[] }) {
  const { t } = useTranslation('common');
  return (
    <ul className={classes['around']}>
      {of.map((beside) => (
        <Line key={`${beside.node.id} ${beside.port} ${beside.theirPort}`} beside={beside} />
      ))}
      {of.length === 0 && <li className="k-dim">{t('none')}</li>}
    </ul>
  );
}

function Line({ beside: { node, port, theirPort } }: { beside: Beside }) {
  const { t } = useTranslation('assets');
  const words = useWords();
  const to = node.device
    ? `/devices/${encodeURIComponent(node.device)}`
    : node.asset && `/assets/${node.asset}`;
  return (
    <li>
      <span>
        {to ? <AppLink to={to}>{node.label}</AppLink> : node.label}{' '}
        <span className="k-dim">{words.class(node.class)}</span>
      </span>
      {(port || theirPort) && (
        <span className="k-dim" title={t('portsHelp')}>
          {port || '?'} ↔ {theirPort || '?'}
        </span>
      )}
      {node.health !== null && <HealthBadge health={{ level: levelOf(node), current: isCurrent(node) }} />}
    </li>
  );
}
