/** Says that somebody works on the device, until when and why: its alarms tell nobody meanwhile. */
import { useQuery } from '@tanstack/react-query';
import { useTranslation } from 'react-i18next';
import { AREA_JOINT } from '../../api/areas';
import { api } from '../../api/client';
import type { DeviceDetail, Page } from '../../api/types';
import { ToneBadge } from '../../ui/badges';
import { IconWindow } from '../../ui/icons';
import { serverNow, useNow } from '../../ui/now';
import { localText, timeText } from '../../ui/time';
import { useZone } from '../../ui/zone';
import { minutesOf, stateOf, type Window } from '../maintenance/types';

type Place = Pick<DeviceDetail, 'id' | 'site' | 'area' | 'class'>;

/** Whether a window is about a device: about itself, or its site, and there its area and class if it names some. */
export function concerns(window: Window, device: Place): boolean {
  if (window.device) return window.device === device.id;
  if (window.site !== device.site) return false;
  const isWithin = !window.area || `${device.area}${AREA_JOINT}`.startsWith(`${window.area}${AREA_JOINT}`);
  return isWithin && (!window.class || window.class === device.class);
}

/** Until when it is open this time; a window that repeats ends at its clock time. */
function endText(window: Window, zone: string, now: number): string {
  const end = window.ended_ms ?? window.to_ms;
  const clock = window.repeat?.to;
  if (!clock || minutesOf(clock) === null) return timeText(end, zone, 'minute');
  return end - now < 86_400_000 ? timeText(end, zone, 'minute') : clock;
}

export function UnderMaintenance({ device }: { device: DeviceDetail }) {
  const { t } = useTranslation('device');
  const zone = useZone(device.site);
  const now = useNow();
  const { data } = useQuery({
    queryKey: ['maintenance', 'open', { site: device.site }],
    queryFn: ({ signal }) => {
      const query = { site: device.site, from: String(Math.floor(serverNow())), limit: 500 };
      return api.get<Page<Window>>('/maintenance', query, signal);
    },
    refetchInterval: 60_000,
  });
  const open = data?.items.find(
    (window) => concerns(window, device) && stateOf(window, now, (ms) => localText(ms, zone)) === 'now',
  );
  if (!open) return null;
  return (
    <span title={open.reason}>
      <ToneBadge tone="calm" shape={<IconWindow size={12} />}>
        {t('underMaintenance', { time: endText(open, zone, now) })}
      </ToneBadge>{' '}
      <span className="k-dim">{open.reason}</span>
    </span>
  );
}
