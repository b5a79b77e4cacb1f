/** Lines of one unit over time. Drag to look closer, double-click to look from farther away. */
import 'uplot/dist/uPlot.min.css';
import { useComputedColorScheme } from '@mantine/core';
import { useEffect, useMemo, useRef } from 'react';
import uPlot from 'uplot';
import { DARK, LIGHT } from '../../../app/tokens';
import { timeText } from '../../../ui/time';
import classes from './charts.module.css';
import { AXIS_PX, LINE_COLOURS } from './colours';
import { align, type Line } from './series';

export interface NamedLine {
  name: string;
  line: Line;
}

interface LineChartProps {
  lines: readonly NamedLine[];
  unit: string;
  decimals: number;
  from: number;
  to: number;
  zone: string;
  width: number;
  /** What the time is called in the legend. */
  timeLabel: string;
  onZoom: (from: number, to: number) => void;
  onWiden: () => void;
}

const HEIGHT = 220;

/** Some room above and below; a value that never changed gets a line in the middle. */
function roomy(min: number | null, max: number | null): [number, number] {
  if (min === null || max === null) return [0, 1];
  const room = max > min ? (max - min) * 0.08 : Math.max(Math.abs(max) * 0.05, 0.5);
  return [min - room, max + room];
}

/** Labels of the axis: dates where a day begins, times in between. */
function axisTexts(splits: number[], zone: string): string[] {
  const step = (splits[1] ?? 0) - (splits[0] ?? 0);
  return splits.map((seconds) => {
    const ms = seconds * 1000;
    if (step >= 86_400) return timeText(ms, zone, 'date').slice(5);
    const time = timeText(ms, zone, 'time');
    if (time.startsWith('00:00:00')) return timeText(ms, zone, 'date').slice(5);
    return step < 60 ? time : time.slice(0, 5);
  });
}

function options(props: LineChartProps, isDark: boolean): uPlot.Options {
  const { lines, unit, decimals, zone, width } = props;
  const tokens = isDark ? DARK : LIGHT;
  const colours = LINE_COLOURS[isDark ? 'dark' : 'light'];
  const series: uPlot.Series[] = [
    {
      label: props.timeLabel,
      value: (_, seconds) => (seconds === null ? '—' : timeText(seconds * 1000, zone)),
    },
  ];
  const bands: uPlot.Band[] = [];
  lines.forEach(({ name, line }, at) => {
    const colour = colours[at % colours.length] ?? tokens.accent;
    const stepped = uPlot.paths.stepped;
    series.push({
      label: name,
      stroke: colour,
      width: 1.6,
      spanGaps: false,
      points: { show: line.times.length < 40, size: 4 },
      value: (_, value) =>
        value === null || value === undefined ? '—' : `${value.toFixed(decimals)} ${unit}`.trim(),
      ...(line.stepped && stepped ? { paths: stepped({ align: 1 }) } : {}),
    });
    if (line.min && line.max) {
      const hidden = {
        stroke: 'transparent',
        width: 0,
        points: { show: false },
        class: classes['noLegend'],
      } as uPlot.Series;
      series.push({ ...hidden, label: `${name} min` }, { ...hidden, label: `${name} max` });
      const place = series.length - 1;
      bands.push({ series: [place, place - 1], fill: `${colour}2e` });
    }
  });
  const axis = {
    stroke: tokens.dim,
    grid: { stroke: tokens.line, width: 1 },
    ticks: { stroke: tokens.line, width: 1 },
  };
  const font = '11px system-ui, sans-serif';
  return {
    width,
    height: HEIGHT,
    tzDate: (seconds) => uPlot.tzDate(new Date(seconds * 1000), zone),
    padding: [12, 8, 0, 0],
    cursor: {
      sync: { key: 'device' },
      drag: { x: true, y: false, setScale: false },
      bind: { dblclick: () => null },
    },
    legend: { live: true },
    scales: {
      x: { time: true, range: () => [props.from / 1000, props.to / 1000] },
      y: { range: (_, min, max) => roomy(min, max) },
    },
    series,
    bands,
    axes: [
      { ...axis, font, values: (_, splits) => axisTexts(splits, zone) },
      { ...axis, font, size: AXIS_PX },
    ],
  };
}

export function LineChart(props: LineChartProps) {
  const { lines, from, to, width, unit } = props;
  const isDark = useComputedColorScheme('light') === 'dark';
  const host = useRef<HTMLDivElement>(null);
  const latest = useRef(props);
  useEffect(() => {
    latest.current = props;
  });
  const data = useMemo(() => {
    const { times, columns } = align(lines.map(({ line }) => line));
    return [times.map((ms) => ms / 1000), ...columns] as uPlot.AlignedData;
  }, [lines]);
  // The shape of the chart; other data alone does not build it anew.
  const shape = [props.timeLabel, ...lines.map(({ name, line }) => `${name}${line.min !== undefined}`)].join(
    '|',
  );
  const plot = useRef<uPlot | null>(null);
  // biome-ignore lint/correctness/useExhaustiveDependencies: built anew when its shape is another
  useEffect(() => {
    if (!host.current || width === 0) return;
    const built = new uPlot(
      {
        ...options(latest.current, isDark),
        scales: {
          x: { time: true, range: () => [latest.current.from / 1000, latest.current.to / 1000] },
          y: { range: (_, min, max) => roomy(min, max) },
        },
        hooks: {
          setSelect: [
            (self) => {
              if (self.select.width < 6) return;
              const begin = self.posToVal(self.select.left, 'x') * 1000;
              const end = self.posToVal(self.select.left + self.select.width, 'x') * 1000;
              self.setSelect({ left: 0, width: 0, top: 0, height: 0 }, false);
              latest.current.onZoom(Math.round(begin), Math.round(end));
            },
          ],
        },
      },
      data,
      host.current,
    );
    plot.current = built;
    return () => {
      built.destroy();
      plot.current = null;
    };
  }, [shape, width, isDark, unit, props.zone]);
  // biome-ignore lint/correctness/useExhaustiveDependencies: a moved range is drawn again with the same data
  useEffect(() => plot.current?.setData(data), [data, from, to]);
  return (
    <div
      ref={host}
      className={classes['chart']}
      role="img"
      aria-label={lines.map(({ name }) => name).join(', ')}
      onDoubleClick={() => props.onWiden()}
    />
  );
}
