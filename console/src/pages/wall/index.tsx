/**
 * The wall-board: dark, large, turning through its views by itself.
 *
 * Text is as high as somebody can read from five metres on a screen of 55 inches: about 2.1 % of its width. When the
 * stream is down everything turns grey and a banner says so, since nobody on a wall hovers over anything.
 */
import { useQuery } from '@tanstack/react-query';
import { useEffect, useMemo, useState } from 'react';
import { useTranslation } from 'react-i18next';
import { overviewQuery, sitesQuery } from '../../api/lists';
import { useStreamState } from '../../api/live';
import { stream } from '../../api/stream';
import { words as list, useParams, whole } from '../../app/params';
import { useSite } from '../../app/site';
import { useWords } from '../../i18n/words';
import { useGo } from '../../ui/link';
import { useNow } from '../../ui/now';
import { LoadingState } from '../../ui/states';
import { timeText } from '../../ui/time';
import { useZone } from '../../ui/zone';
import { AlarmsView } from './alarms';
import { Controls } from './controls';
import { useAwake, useDark } from './screen';
import { ClassesView, SitesView } from './tiles';
import { TotalsView } from './totals';
import { nextView, VIEWS, type ViewName } from './views';
import classes from './wall.module.css';

const PARAMS = { views: list(VIEWS), every: whole() };
const EVERY_S = 20;

export default function WallPage() {
  const { t } = useTranslation('wall');
  const words = useWords();
  const go = useGo();
  const [site] = useSite();
  const [params] = useParams(PARAMS);
  const views = params.views.length > 0 ? params.views : VIEWS;
  const every = Math.max(5, params.every ?? EVERY_S);
  const [view, setView] = useState<ViewName>(views[0] ?? 'totals');
  const [isPaused, setPaused] = useState(false);
  const state = useStreamState();
  const overview = useQuery(overviewQuery(site));
  const sites = useQuery(sitesQuery);
  useDark();
  const isAwake = useAwake();

  useEffect(() => {
    document.title = t('title');
  }, [t]);
  useEffect(() => {
    if (isPaused) return;
    const timer = setInterval(() => setView((before) => nextView(views, before, 1)), every * 1000);
    return () => clearInterval(timer);
  }, [views, every, isPaused]);
  useEffect(() => {
    const onKey = (event: KeyboardEvent) => {
      if (event.key === 'ArrowRight') setView((before) => nextView(views, before, 1));
      else if (event.key === 'ArrowLeft') setView((before) => nextView(views, before, -1));
      else if (event.key === ' ') setPaused((before) => !before);
      else if (event.key === 'f') void toggleFullscreen();
      else if (event.key === 'Escape' && !document.fullscreenElement) go('/');
      else return;
      event.preventDefault();
    };
    window.addEventListener('keydown', onKey);
    return () => window.removeEventListener('keydown', onKey);
  }, [views, go]);

  const names = useMemo(
    () => new Map((sites.data ?? []).map((each) => [each.id, words.name(each.name, each.id)])),
    [sites.data, words],
  );
  const name = (id: string) =>
    names.get(id) ?? words.name(overview.data?.sites.find((each) => each.site === id)?.name, id);
  const isStale = state !== 'live';
  return (
    <main className={classes['wall']} data-old={isStale || undefined} data-view={view}>
      <header className={classes['head']}>
        <h1>
          {site ? name(site) : t('allSites')} <span>{t(`view.${view}`)}</span>
        </h1>
        <Clock />
      </header>
      {state === 'stale' && <Down />}
      <div className={classes['body']}>
        {!overview.data && <LoadingState rows={6} />}
        {overview.data && view === 'totals' && <TotalsView overview={overview.data} name={name} />}
        {overview.data && view === 'sites' && <SitesView overview={overview.data} name={name} />}
        {overview.data && view === 'classes' && <ClassesView overview={overview.data} />}
        {view === 'alarms' && <AlarmsView name={name} />}
      </div>
      <Controls
        views={views}
        view={view}
        isPaused={isPaused}
        isAwake={isAwake}
        onView={setView}
        onPause={() => setPaused((before) => !before)}
        onFullscreen={() => void toggleFullscreen()}
        onLeave={() => go('/')}
      />
    </main>
  );
}

async function toggleFullscreen(): Promise<void> {
  try {
    if (document.fullscreenElement) await document.exitFullscreen();
    else await document.documentElement.requestFullscreen();
  } catch {
    // A browser may refuse; the board works in its window.
  }
}

function Clock() {
  const zone = useZone();
  const now = useNow();
  const { i18n } = useTranslation();
  const date = new Intl.DateTimeFormat(i18n.language === 'zh' ? 'zh-CN' : 'en-GB', {
    timeZone: zone,
    weekday: 'long',
    month: 'long',
    day: 'numeric',
  });
  const time = new Intl.DateTimeFormat('en-GB', {
    timeZone: zone,
    hour: '2-digit',
    minute: '2-digit',
    second: '2-digit',
    hourCycle: 'h23',
  });
  return (
    <time className={classes['clock']} dateTime={new Date(now).toISOString()}>
      <span>{date.format(now)}</span>
      <b>{time.format(now)}</b>
    </time>
  );
}

/** What nobody may overlook. */
function Down() {
  const { t } = useTranslation('wall');
  const zone = useZone();
  const heard = stream.getLastHeard();
  return (
    <div className={classes['down']} role="alert">
      <svg viewBox="0 0 16 16" aria-hidden="true">
        <path d="M8 1 15 8 8 15 1 8z" fill="currentColor" />
      </svg>
      {heard > 0 ? t('downSince', { time: timeText(heard + stream.getOffsetMs(), zone) }) : t('down')}
    </div>
  );
}
