/** What became of a browser's frames while it scrolled, out of its trace. */

/** What has to be recorded for it; more would cost frames itself. */
export const CATEGORIES = ['disabled-by-default-devtools.timeline.frame'];

/** From the best that can be said of a frame to the worst. A frame may be reported twice: as it was shown, and late. */
const STATES = ['STATE_PRESENTED_ALL', 'STATE_PRESENTED_PARTIAL', 'STATE_DROPPED'];

/** Figures out of the reports that the compositor makes of each frame. */
export function framesOf(events) {
  const frames = new Map();
  for (const { name, ph, args } of events) {
    const report = args?.frame_reporter;
    if (name !== 'PipelineReporter' || ph !== 'b' || !report) continue;
    if (report.scroll_state === 'SCROLL_NONE' || !STATES.includes(report.state)) continue;
    const key = `${report.frame_source} ${report.frame_sequence}`;
    const before = frames.get(key);
    if (!before || STATES.indexOf(report.state) < STATES.indexOf(before.state)) frames.set(key, report);
  }
  const all = [...frames.values()];
  const count = (test) => all.filter(test).length;
  const share = (test) => count(test) / Math.max(1, all.length);
  return [
    { what: 'frames while scrolling', value: all.length, unit: '' },
    { what: 'frames dropped', value: count(({ state }) => state === 'STATE_DROPPED'), unit: '' },
    { what: 'share of frames dropped', value: share(({ state }) => state === 'STATE_DROPPED'), unit: '' },
    {
      what: 'share of frames on time without new rows',
      value: share(({ state }) => state === STATES[1]),
      unit: '',
    },
    {
      what: 'share of frames with a part not drawn',
      value: share((each) => each.has_missing_content),
      unit: '',
    },
  ];
}
