/** Who changed what about the device, and which agent spoke to it when. */
import { useMemo } from 'react';
import { useTranslation } from 'react-i18next';
import { usePagedList } from '../../api/lists';
import type { AuditRow, DeviceDetail } from '../../api/types';
import { Panel } from '../../ui/page';
import { EmptyState, LoadingState, ProblemState } from '../../ui/states';
import { TimeText } from '../../ui/time-text';
import { detailText, useActionText } from '../audit/words';
import classes from './device.module.css';

interface ChangesTabProps {
  device: DeviceDetail;
  /** Whether the person may read the log of what was done. */
  mayLookBack: boolean;
}

export function ChangesTab({ device, mayLookBack }: ChangesTabProps) {
  const { t } = useTranslation('device');
  return (
    <div className={classes['columns']}>
      {mayLookBack ? (
        <Deeds id={device.id} />
      ) : (
        <Panel title={t('deeds')}>
          <EmptyState title={t('deedsHidden')} text={t('deedsHiddenText')} />
        </Panel>
      )}
      <Panel title={t('bindings')} flush>
        <ul className={classes['list']}>
          {device.bindings.map((binding) => (
            <li key={`${binding.agent} ${binding.key} ${binding.from_ms}`}>
              <span className={classes['grow']}>
                {binding.agent} · {binding.key}
              </span>
              <span className="k-dim">
                {binding.from_ms === 0 ? (
                  t('fromTheStart')
                ) : (
                  <TimeText ms={binding.from_ms} site={device.site} />
                )}
                {' – '}
                {binding.to_ms === null || binding.to_ms === undefined ? (
                  t('untilNow')
                ) : (
                  <TimeText ms={binding.to_ms} site={device.site} />
                )}
              </span>
            </li>
          ))}
        </ul>
      </Panel>
    </div>
  );
}

function Deeds({ id }: { id: string }) {
  const { t } = useTranslation('device');
  const name = useActionText();
  const query = useMemo(() => ({ target: id }), [id]);
  const list = usePagedList<AuditRow>(['audit'], '/audit', query, 100);
  return (
    <Panel title={t('deeds')} flush>
      {list.isFirstLoad && <LoadingState />}
      {list.error && <ProblemState error={list.error} retry={list.retry} />}
      {!list.isFirstLoad && !list.error && list.rows.length === 0 && (
        <EmptyState title={t('noDeeds')} text={t('noDeedsText')} />
      )}
      <ul className={classes['list']}>
        {list.rows.map((row) => (
          <li key={row.id}>
            <TimeText ms={row.at_ms} />
            <strong>{row.actor_name}</strong>
            <span>{name(row.action)}</span>
            <span className="k-dim">{detailText(row.detail)}</span>
          </li>
        ))}
      </ul>
    </Panel>
  );
}
