import { Group } from '@mantine/core';
import { useMemo, useState } from 'react';
import { useTranslation } from 'react-i18next';
import { usePagedList } from '../../api/lists';
import type { DeviceDetail, EventRow } from '../../api/types';
import evidenceClasses from '../../evidence/evidence.module.css';
import { useEvidence } from '../../evidence/pictures';
import { Thumbnail } from '../../evidence/tile';
import type { Evidence } from '../../evidence/types';
import { Viewer } from '../../evidence/viewer';
import { useWords } from '../../i18n/words';
import { ToneBadge } from '../../ui/badges';
import { type Column, DataTable } from '../../ui/data-table';
import { TimeText } from '../../ui/time-text';
import classes from './device.module.css';

/** The newest pictures of the device are looked through for those of events. */
const MOST_PICTURES = 500;
/** More stand in the viewer. */
const SHOWN_PICTURES = 2;

/** What happened once: passages, tickets, cards. */
export function EventsTab({ device }: { device: DeviceDetail }) {
  const { t } = useTranslation('device');
  const words = useWords();
  const query = useMemo(() => ({ device: device.id }), [device.id]);
  const list = usePagedList<EventRow>(['events'], '/events', query);
  const { rows: pictures } = useEvidence({ device: device.id }, MOST_PICTURES);
  const byEvent = useMemo(() => groupByEvent(pictures), [pictures]);
  const [open, setOpen] = useState<Evidence | null>(null);
  const columns = useMemo<readonly Column<EventRow>[]>(
    () => [
      {
        id: 'time',
        header: t('time'),
        width: '11.5rem',
        cell: (event) => <TimeText ms={event.time_ms} site={event.site} />,
      },
      { id: 'kind', header: t('event'), width: '12rem', cell: (event) => words.event(event.kind) },
      {
        id: 'fields',
        header: t('fields'),
        width: 'minmax(16rem, 1fr)',
        cell: (event) => <Fields event={event} />,
      },
      {
        id: 'pictures',
        header: '',
        width: '7rem',
        cell: (event) => <Pictures of={byEvent.get(event.id)} onOpen={setOpen} />,
      },
      {
        id: 'late',
        header: '',
        width: '7rem',
        cell: (event) => event.late && <ToneBadge tone="off">{t('late')}</ToneBadge>,
      },
    ],
    [t, words, byEvent],
  );
  return (
    <div className={classes['tall']}>
      <DataTable
        label={t('tab.events')}
        list={list}
        columns={columns}
        rowId={(event) => event.id}
        card={(event) => (
          <>
            <Group justify="space-between">
              <strong>{words.event(event.kind)}</strong>
              <TimeText ms={event.time_ms} site={event.site} />
            </Group>
            <Fields event={event} />
            <Pictures of={byEvent.get(event.id)} onOpen={setOpen} />
          </>
        )}
        empty={{ title: t('noEvents'), text: t('noEventsText') }}
      />
      {open && (
        <Viewer
          pictures={byEvent.get(open.event ?? '') ?? [open]}
          open={open.id}
          onMove={(id) => setOpen(pictures.find((each) => each.id === id) ?? null)}
          onClose={() => setOpen(null)}
        />
      )}
    </div>
  );
}

/** Pictures of the device by the event that they show. */
function groupByEvent(pictures: readonly Evidence[]): ReadonlyMap<string, Evidence[]> {
  const groups = new Map<string, Evidence[]>();
  for (const picture of pictures) {
    if (picture.event === null) continue;
    groups.set(picture.event, [...(groups.get(picture.event) ?? []), picture]);
  }
  return groups;
}

interface PicturesProps {
  of: readonly Evidence[] | undefined;
  onOpen: (picture: Evidence) => void;
}

function Pictures({ of, onOpen }: PicturesProps) {
  if (!of) return null;
  return (
    <span className={evidenceClasses.thumbnails}>
      {of.slice(0, SHOWN_PICTURES).map((picture) => (
        <Thumbnail key={picture.id} evidence={picture} onOpen={() => onOpen(picture)} />
      ))}
    </span>
  );
}

function Fields({ event }: { event: EventRow }) {
  const { t } = useTranslation('device');
  const words = useWords();
  return (
    <span className={classes['fields']}>
      {Object.entries(event.fields).map(([name, value]) => (
        <span key={name}>
          <span className="k-dim">{words.point(name)}</span>{' '}
          {typeof value === 'string' ? words.state(value) : String(value)}
        </span>
      ))}
      {event.left_out.length > 0 && (
        <span className="k-dim">{t('leftOut', { names: event.left_out.map(words.point).join(', ') })}</span>
      )}
    </span>
  );
}
