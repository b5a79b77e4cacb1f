import { useTranslation } from 'react-i18next';
import { currentLanguage } from '../../i18n';
import { useWords } from '../../i18n/words';
import { SeverityShape } from '../../ui/badges';
import { IconDown } from '../../ui/icons';
import { SiteName } from '../../ui/site-name';
import classes from './desk.module.css';
import type { GroupRow as Group, NoteRow as Note } from './rows';
import type { Group as GroupBy } from './search';
import { inLanguage } from './types';

interface GroupRowProps {
  id: string;
  row: Group;
  by: GroupBy;
  index: number;
  start: number;
  isActive: boolean;
  onFold: () => void;
}

export function GroupRow({ id, row, by, index, start, isActive, onFold }: GroupRowProps) {
  const { t } = useTranslation('alarms');
  const words = useWords();
  const name = () => {
    if (by === 'class') return words.class(row.value) || t('group.noArea');
    if (by === 'condition') return words.condition(row.value);
    if (by === 'site') return <SiteName id={row.value} />;
    if (row.value === '') return t('group.alone');
    const { parent } = row;
    if (!parent) return t('group.parentGone');
    return `${parent.device_label || parent.agent} · ${inLanguage(parent.text, currentLanguage())}`;
  };
  return (
    // biome-ignore lint/a11y/useKeyWithClickEvents: the desk takes the keys for the row that is active
    <div
      id={id}
      role="row"
      tabIndex={-1}
      aria-rowindex={index + 2}
      aria-expanded={!row.folded}
      className={classes.group}
      data-index={index}
      data-active={isActive || undefined}
      style={{ transform: `translateY(${start}px)` }}
      onClick={onFold}
    >
      <IconDown size={14} className={classes.fold} data-folded={row.folded || undefined} />
      <SeverityShape severity={row.worst} />
      <span className={classes.main}>{name()}</span>
      <span className={classes.groupCount}>
        {t('group.count', { count: row.count })}
        {row.unacknowledged > 0 && ` · ${t('group.waiting', { count: row.unacknowledged })}`}
      </span>
    </div>
  );
}

interface NoteRowProps {
  row: Note;
  index: number;
  start: number;
  onRetry: () => void;
}

export function NoteRow({ row, index, start, onRetry }: NoteRowProps) {
  const { t } = useTranslation('alarms');
  const text = t(`hidden.${row.note}`, { count: row.count });
  return (
    <div
      role="row"
      tabIndex={-1}
      data-index={index}
      className={classes.note}
      style={{ transform: `translateY(${start}px)` }}
    >
      {row.note === 'failed' ? (
        <button type="button" onClick={onRetry}>
          {text}
        </button>
      ) : (
        text
      )}
    </div>
  );
}
