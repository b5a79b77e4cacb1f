/** What the device hangs on, what hangs on it, and what stands beside it. */
import { useTranslation } from 'react-i18next';
import { useRight } from '../../api/session';
import type { DeviceDetail } from '../../api/types';
import { AppLink } from '../../ui/link';
import { Panel } from '../../ui/page';
import { EmptyState, LoadingState, ProblemState } from '../../ui/states';
import { AROUND, around } from '../assets/around';
import { AroundList } from '../assets/around-list';
import { useTopology } from '../assets/data';
import classes from './device.module.css';

export function NeighboursTab({ device }: { device: DeviceDetail }) {
  const { t } = useTranslation('device');
  const mayEdit = useRight('configure', device.site);
  const { data, error, refetch } = useTopology(device.site);
  if (!data) {
    return (
      <Panel>{error ? <ProblemState error={error} retry={() => void refetch()} /> : <LoadingState />}</Panel>
    );
  }
  const found = around(data, data.nodes.find((node) => node.device === device.id)?.id);
  const toAsset = mayEdit && device.asset && (
    <AppLink to={`/assets/${encodeURIComponent(device.asset)}`}>{t('editAtAsset')}</AppLink>
  );
  if (AROUND.every((group) => found[group].length === 0)) {
    return (
      <Panel>
        <EmptyState
          title={t('noNeighbours')}
          text={t('noNeighboursText')}
          action={toAsset || <AppLink to="/assets">{t('toAssets')}</AppLink>}
        />
      </Panel>
    );
  }
  return (
    <>
      {toAsset && <p>{toAsset}</p>}
      <div className={classes['columns']}>
        {AROUND.map((group) => (
          <Panel key={group} title={t(group)} flush>
            <AroundList of={found[group]} />
          </Panel>
        ))}
      </div>
    </>
  );
}
