/** Who changed what about the device, and which agent spoke to it when. */
import { Button } from '@mantine/core';
import { useTranslation } from 'react-i18next';
import { usePagedList } from '../../api/lists';
import type { DeviceDetail } from '../../api/types';
import { Panel } from '../../ui/page';
import { EmptyState, LoadingState, ProblemState } from '../../ui/states';
import { TimeText } from '../../ui/time-text';
import { detailText, useActionText } from '../audit/words';
import classes from './device.module.css';

const NO_FILTER = {};

/** Something that somebody did about the device, its asset, its alarms, its windows. */
interface Change {
  id: number | string;
  at_ms: number;
  by: string;
  action: string;
  detail: unknown;
}

export function ChangesTab({ device }: { device: DeviceDetail }) {
  const { t } = useTranslation('device');
  return (
    <div className={classes['columns']}>
      <Changes device={device} />
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

function Changes({ device }: { device: DeviceDetail }) {
  const { t } = useTranslation('device');
  const name = useActionText();
  const path = `/devices/${encodeURIComponent(device.id)}/changes`;
  const list = usePagedList<Change>(['device-changes', device.id], path, NO_FILTER, 100);
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
            <TimeText ms={row.at_ms} site={device.site} />
            <strong>{row.by}</strong>
            <span>{name(row.action)}</span>
            <span className="k-dim">{detailText(row.detail)}</span>
          </li>
        ))}
      </ul>
      {list.hasMore && (
        <Button variant="subtle" fullWidth radius={0} loading={list.isFetchingMore} onClick={list.fetchMore}>
          {t('olderDeeds')}
        </Button>
      )}
    </Panel>
  );
}
