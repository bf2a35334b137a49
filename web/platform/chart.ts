// Lines over time, by uPlot; its code is loaded with the first chart.
import type { AlignedData } from 'uplot';
import type { Chart, ChartData, ChartLook, DrawChart } from '../state/charts.ts';

const load = async () => {
  const [{ default: Plot }] = await Promise.all([import('uplot'), import('uplot/dist/uPlot.min.css')]);
  return Plot;
};
const LINE_PX = 1.75;
const VALUES_PX = 64;
const TIMES_PX = 26;
/** Half of the last time stands to the right of the plot. */
const RIGHT_PX = 20;
const LABEL_GAP_PX = 76;
/** What is above the highest value, in parts of it. */
const HEADROOM = 1.08;

const aligned = ({ timesS, lines }: ChartData): AlignedData => [
  [...timesS],
  ...lines.map(({ values }) => [...values]),
];

export const drawChart: DrawChart = async (into, look, data) => {
  const Plot = await load();
  const plot = new Plot(optionsOf(into, look, data), aligned(data), into);
  const resized = new ResizeObserver(() => plot.setSize({ width: into.clientWidth, height: look.height }));
  resized.observe(into);
  const chart: Chart = {
    update: (next) => plot.setData(aligned(next)),
    close() {
      resized.disconnect();
      plot.destroy();
    },
  };
  return chart;
};

function optionsOf(into: HTMLElement, look: ChartLook, data: ChartData): uPlot.Options {
  const axis = {
    stroke: look.text,
    font: look.font,
    grid: { stroke: look.grid, width: 1 },
    ticks: { show: false },
  };
  return {
    width: into.clientWidth,
    height: look.height,
    legend: { show: false },
    cursor: { y: false, drag: { x: false, y: false }, points: { size: 7 } },
    padding: [8, RIGHT_PX, 0, 0],
    scales: {
      x: {
        time: true,
        range: (_plot, _min, max) => [max - look.spanS, max],
      },
      y: { range: (_plot, _min, max) => [0, Math.max(look.leastTop, (max ?? 0) * HEADROOM)] },
    },
    axes: [
      {
        ...axis,
        size: TIMES_PX,
        space: LABEL_GAP_PX,
        values: (_plot, splits) => splits.map(look.formatTime),
      },
      { ...axis, size: VALUES_PX, values: (_plot, splits) => splits.map(look.formatValue) },
    ],
    series: [
      {},
      ...data.lines.map(({ color, dash }) => ({
        stroke: color,
        dash: [...dash],
        width: LINE_PX,
        points: { show: false },
        spanGaps: false,
      })),
    ],
    hooks: { setCursor: [(plot) => look.onPoint(plot.cursor.idx ?? null)] },
  };
}
