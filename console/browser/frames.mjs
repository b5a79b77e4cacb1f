/** What became of a browser's frames, out of its trace. */

/** Figures out of the reports that the compositor makes of each frame; `seconds` is how long it was watched. */
export function framesOf(events, seconds) {
  const reports = events.filter(({ name, ph, args }) => {
    return name === 'PipelineReporter' && ph === 'b' && args?.chrome_frame_reporter;
  });
  const states = reports.map(({ args }) => args.chrome_frame_reporter);
  const count = (test) => states.filter(test).length;
  const dropped = states.filter(({ state }) => state === 'STATE_DROPPED');
  return [
    {
      what: 'frames with all that was due',
      value: count(({ state }) => state === 'STATE_PRESENTED_ALL'),
      unit: '',
    },
    {
      what: 'frames without the new rows',
      value: count(({ state }) => state === 'STATE_PRESENTED_PARTIAL'),
      unit: '',
    },
    { what: 'frames dropped', value: dropped.length, unit: '' },
    {
      what: 'frames dropped that people see',
      value: dropped.filter((each) => each.affects_smoothness).length,
      unit: '',
    },
    { what: 'frames presented', value: count(({ state }) => /PRESENTED/.test(state)) / seconds, unit: '1/s' },
  ];
}
