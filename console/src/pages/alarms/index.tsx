/** The alarm desk: what needs somebody now, worst first, worked on by keyboard. */
import { ActionIcon, Button, Tooltip } from '@mantine/core';
import { notifications } from '@mantine/notifications';
import { useQueries } from '@tanstack/react-query';
import { useNavigate } from '@tanstack/react-router';
import { useMemo, useRef, useState } from 'react';
import { useTranslation } from 'react-i18next';
import { useMay, useSession } from '../../api/session';
import { useParams } from '../../app/params';
import { useSite } from '../../app/site';
import { useSound } from '../../app/sound';
import { IconMuted, IconSound } from '../../ui/icons';
import { PageBody, PageHeader } from '../../ui/page';
import { usePhone } from '../../ui/phone';
import { ActBar } from './act-bar';
import { ActDialog } from './act-dialog';
import { alarmQuery, useDeskAlarms } from './data';
import { DeskList } from './desk-list';
import { FilterBar } from './filter-bar';
import { HelpDialog } from './help-dialog';
import { type DeskAction, moved } from './keys';
import { type Row, rowsOf, type Unfolded } from './rows';
import { DESK, narrowing } from './search';
import { Strip } from './strip';
import type { Deed } from './types';
import { useActing } from './use-act';
import { useDeskKeys } from './use-keys';

/** Acknowledging more than this at once is asked for again. */
const MANY = 10;

function toggled<T>(set: ReadonlySet<T>, item: T): ReadonlySet<T> {
  const next = new Set(set);
  if (!next.delete(item)) next.add(item);
  return next;
}

export default function AlarmDesk() {
  const { t } = useTranslation('alarms');
  const navigate = useNavigate();
  const me = useSession();
  const may = useMay();
  const isPhone = usePhone();
  const [site] = useSite();
  const [params, setParams] = useParams(DESK);
  const [sound, toggleSound] = useSound();
  const search = useMemo(() => ({ ...params, site }), [params, site]);
  const { list, alarms } = useDeskAlarms(search, me.id);
  const acting = useActing();
  const searchRef = useRef<HTMLInputElement>(null);
  const gridRef = useRef<HTMLDivElement>(null);
  const place = useRef(-1);
  const [active, setActive] = useState<string | null>(null);
  const [chosen, setChosen] = useState<ReadonlySet<string>>(new Set());
  const [folded, setFolded] = useState<ReadonlySet<string>>(new Set());
  const [unfolded, setUnfolded] = useState<ReadonlySet<string>>(new Set());
  const [asking, setAsking] = useState<{ deed: Deed; ids: string[] } | null>(null);
  const [isHelpOpen, setHelpOpen] = useState(false);

  const open = [...unfolded];
  const details = useQueries({ queries: open.map((id) => alarmQuery(id)) });
  const below = new Map<string, Unfolded>();
  open.forEach((id, at) => {
    const detail = details[at];
    below.set(id, detail?.data ? detail.data.hidden : detail?.isError ? 'failed' : 'loading');
  });
  const rows = rowsOf(alarms, { group: params.group, order: params.order, folded, unfolded: below });
  const shownIds = rows.flatMap((row) => (row.kind === 'alarm' ? [row.alarm.id] : []));
  const present = new Set([...alarms.map(({ id }) => id), ...shownIds]);
  const kept = [...chosen].filter((id) => present.has(id));
  const activeRow = rows.find((row) => row.key === active) ?? null;

  const sites = new Map(
    [...alarms, ...rows.flatMap((row) => (row.kind === 'alarm' ? [row.alarm] : []))].map(({ id, site }) => [
      id,
      site,
    ]),
  );
  const mayActOn = (id: string) => may('operate', sites.get(id));
  const targets = (): string[] => {
    if (kept.length > 0) return kept;
    if (activeRow?.kind === 'alarm') return [activeRow.alarm.id];
    return activeRow?.kind === 'group' ? activeRow.members : [];
  };
  const act = (deed: Deed) => {
    const wanted = targets();
    const ids = wanted.filter(mayActOn);
    if (!may('operate') || ids.length < wanted.length) {
      notifications.show({ message: t('act.noRight'), color: 'orange' });
      if (ids.length === 0) return;
    }
    if (ids.length === 0) notifications.show({ message: t('act.nothing'), color: 'blue' });
    else if (deed === 'unshelve' || (deed === 'acknowledge' && ids.length <= MANY)) {
      const run = acting.run({ ids, do: deed });
      run
        .then(() => setChosen(new Set()))
        .catch(() => notifications.show({ message: t('act.failed'), color: 'red' }));
    } else setAsking({ deed, ids });
  };
  const openAlarm = (id: string) =>
    void navigate({ to: `/alarms/${id}`, search: site ? { site } : {} } as never);
  const onRow = (what: 'activate' | 'choose' | 'open' | 'unfold', row: Row) => {
    if (row.kind !== 'note') setActive(row.key);
    if (row.kind === 'group') setFolded((before) => toggled(before, row.key));
    else if (row.kind === 'note') {
      const at = open.indexOf(row.parent);
      void details[at]?.refetch();
    } else if (what === 'choose') setChosen((before) => toggled(before, row.alarm.id));
    else if (what === 'open') openAlarm(row.alarm.id);
    else if (what === 'unfold' && row.alarm.hides > 0 && params.group !== 'parent') {
      setUnfolded((before) => toggled(before, row.alarm.id));
    }
  };
  const step = (action: DeskAction) => {
    const places = rows.flatMap((row, index) => (row.kind === 'note' ? [] : [index]));
    let at = places.findIndex((index) => rows[index]?.key === active);
    // The alarm is gone, such as one that was closed: the next one has slid into its place.
    if (at < 0 && place.current >= 0) at = action === 'next' ? place.current - 1 : place.current;
    const next = rows[places[moved(action, at, places.length)] ?? -1];
    if (next) {
      place.current = places.findIndex((index) => rows[index] === next);
      setActive(next.key);
    }
    // Enter belongs to the row now, and no longer to a button that was clicked before.
    gridRef.current?.focus({ preventScroll: true });
  };
  useDeskKeys((action) => {
    switch (action) {
      case 'next':
      case 'previous':
      case 'first':
      case 'last':
        return step(action);
      case 'select':
        if (activeRow?.kind === 'group') {
          const { members } = activeRow;
          const isAll = members.every((id) => chosen.has(id));
          return setChosen(
            new Set(isAll ? kept.filter((id) => !members.includes(id)) : [...kept, ...members]),
          );
        }
        return activeRow ? onRow('choose', activeRow) : step('next');
      case 'select-all':
        return setChosen(kept.length === shownIds.length ? new Set() : new Set(shownIds));
      case 'clear':
        return setChosen(new Set());
      case 'open':
        return activeRow ? onRow('open', activeRow) : undefined;
      case 'unfold':
        return activeRow ? onRow('unfold', activeRow) : undefined;
      case 'search':
        return searchRef.current?.focus();
      case 'mute':
        return toggleSound();
      case 'help':
        return setHelpOpen(true);
      case 'shelve':
        return act(params.view === 'shelved' ? 'unshelve' : 'shelve');
      default:
        return act(action);
    }
  });

  const isNarrowed = narrowing(params).length > 0;
  const deeds: Deed[] =
    params.view === 'closed'
      ? ['comment']
      : ['acknowledge', 'assign', 'comment', params.view === 'shelved' ? 'unshelve' : 'shelve', 'close'];
  const empty = isNarrowed
    ? { title: t('empty.filtered'), text: t('empty.filteredText') }
    : { title: t(`empty.${params.view}`), text: params.view === 'open' ? t('empty.openText') : undefined };
  const soundLabel =
    sound === 'waiting'
      ? t('alarms.soundWaits', { ns: 'common' })
      : t(sound === 'on' ? 'sound.mute' : 'sound.unmute');
  return (
    <PageBody fill>
      <PageHeader
        title={t('title')}
        actions={
          !isPhone && (
            <>
              <Tooltip label={`${soundLabel} · ${t('sound.help')}`}>
                <ActionIcon
                  variant="default"
                  size="md"
                  aria-label={soundLabel}
                  aria-pressed={sound === 'on'}
                  onClick={toggleSound}
                >
                  {sound === 'off' ? <IconMuted size={16} /> : <IconSound size={16} />}
                </ActionIcon>
              </Tooltip>
              <Button size="xs" variant="default" onClick={() => setHelpOpen(true)}>
                {t('keys.button')} ?
              </Button>
            </>
          )
        }
      />
      <Strip site={site} params={params} onChange={setParams} />
      <FilterBar site={site} params={params} onChange={setParams} searchRef={searchRef} />
      {kept.length > 0 && (
        <ActBar
          count={kept.length}
          deeds={kept.some(mayActOn) ? deeds : []}
          busy={acting.busy}
          onAct={act}
          onClear={() => setChosen(new Set())}
        />
      )}
      <DeskList
        gridRef={gridRef}
        list={list}
        rows={rows}
        group={params.group}
        active={active}
        chosen={chosen}
        unfolded={unfolded}
        onRow={onRow}
        empty={empty}
      />
      {asking && (
        <ActDialog
          deed={asking.deed}
          ids={asking.ids}
          site={site}
          run={async (request) => {
            await acting.run(request);
            setChosen(new Set());
          }}
          onClose={() => setAsking(null)}
        />
      )}
      {isHelpOpen && <HelpDialog onClose={() => setHelpOpen(false)} />}
    </PageBody>
  );
}
