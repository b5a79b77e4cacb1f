import { Checkbox } from '@mantine/core';
import { memo } from 'react';
import { useTranslation } from 'react-i18next';
import { useSites } from '../../api/lists';
import { currentLanguage } from '../../i18n';
import { useWords } from '../../i18n/words';
import { SeverityBadge } from '../../ui/badges';
import { AppLink } from '../../ui/link';
import { Age, TimeText } from '../../ui/time-text';
import { ResponseClock } from './clock';
import classes from './desk.module.css';
import { Marks } from './marks';
import { type Alarm, inLanguage } from './types';

export interface AlarmRowProps {
  id: string;
  alarm: Alarm;
  depth: number;
  index: number;
  start: number;
  isPhone: boolean;
  isActive: boolean;
  isChosen: boolean;
  isNew: boolean;
  isUnfolded: boolean;
  /** The same function for every row, so that a row is drawn again only when it changed. */
  onEvent: (what: 'activate' | 'choose' | 'open' | 'unfold', index: number) => void;
  measure: ((element: Element | null) => void) | undefined;
}

function Row(props: AlarmRowProps) {
  const { alarm, index, isPhone, onEvent, depth } = props;
  const { t } = useTranslation('alarms');
  const words = useWords();
  const text = inLanguage(alarm.text, currentLanguage()) || words.condition(alarm.condition);
  const box = (
    <Checkbox
      size="xs"
      tabIndex={-1}
      aria-label={t('column.select')}
      checked={props.isChosen}
      onClick={(event) => event.stopPropagation()}
      onChange={() => onEvent('choose', index)}
    />
  );
  const marks = (
    <Marks alarm={alarm} isUnfolded={props.isUnfolded} onUnfold={() => onEvent('unfold', index)} />
  );
  const device = alarm.device ? (
    <AppLink to={`/devices/${alarm.device}`} tabIndex={-1}>
      {alarm.device_label || alarm.device}
    </AppLink>
  ) : (
    alarm.agent || (alarm.site === '' && t('mark.collector'))
  );
  const siteName = words.name(useSites().find((each) => each.id === alarm.site)?.name, alarm.site);
  const place = [siteName, alarm.area, words.class(alarm.class)].filter((part) => part !== '').join(' · ');
  const frame = {
    id: props.id,
    ref: props.measure,
    'data-index': index,
    role: 'row',
    tabIndex: -1,
    'aria-rowindex': index + 2,
    'aria-selected': props.isChosen,
    'data-active': props.isActive || undefined,
    'data-chosen': props.isChosen || undefined,
    'data-new': props.isNew || undefined,
    'data-waits': (alarm.acknowledged_ms === null && alarm.state !== 'closed') || undefined,
    'data-severity': alarm.severity,
    'data-depth': depth,
    style: { transform: `translateY(${props.start}px)` },
    onClick: (event: React.MouseEvent) => {
      onEvent('activate', index);
      const isControl = (event.target as HTMLElement).closest('a, button, input, label') !== null;
      if (!isControl && window.getSelection()?.toString() === '') onEvent('open', index);
    },
  };
  if (isPhone) {
    return (
      <div {...frame} className={classes.card}>
        <div role="gridcell" tabIndex={-1}>
          <div className={classes.cardTop}>
            <div className={classes.line}>
              {box}
              <SeverityBadge severity={alarm.severity} old={alarm.state !== 'raised'} />
            </div>
            <ResponseClock alarm={alarm} />
          </div>
          <div className={classes.main}>{text}</div>
          <div className={classes.sub}>
            <span>{device}</span>
            <span>{siteName}</span>
            <Age ms={alarm.last_raised_ms} site={alarm.site} />
            {alarm.assigned_name && <span>→ {alarm.assigned_name}</span>}
          </div>
          {marks}
        </div>
      </div>
    );
  }
  return (
    <div {...frame} className={classes.row}>
      <div role="gridcell" tabIndex={-1}>
        {box}
      </div>
      <div role="gridcell" tabIndex={-1}>
        <SeverityBadge severity={alarm.severity} old={alarm.state !== 'raised'} />
      </div>
      <div role="gridcell" tabIndex={-1} className={classes.what}>
        <div className={classes.main} title={text}>
          {text}
        </div>
        {marks}
      </div>
      <div role="gridcell" tabIndex={-1} className={classes.where}>
        <div className={classes.main}>{device}</div>
        <div className={classes.sub}>
          <span title={place}>{place}</span>
        </div>
      </div>
      <div role="gridcell" tabIndex={-1}>
        <TimeText ms={alarm.last_raised_ms} site={alarm.site} style="short" />
        <div className={classes.sub}>
          <Age ms={alarm.last_raised_ms} site={alarm.site} />
        </div>
      </div>
      <div role="gridcell" tabIndex={-1}>
        <ResponseClock alarm={alarm} />
      </div>
      <div role="gridcell" tabIndex={-1} className={classes.main}>
        {alarm.assigned_name ?? <span className="k-dim">—</span>}
      </div>
    </div>
  );
}

export const AlarmRow = memo(Row);
