/** A drawing that is moved and zoomed: by mouse, by touch, by keyboard and by buttons. */
import { ActionIcon } from '@mantine/core';
import {
  type KeyboardEvent,
  type PointerEvent,
  type ReactNode,
  useCallback,
  useEffect,
  useRef,
  useState,
} from 'react';
import { useTranslation } from 'react-i18next';
import { IconFit, IconPlus } from './icons';
import classes from './pan-zoom.module.css';

/** Screen = drawing × scale + offset. */
export interface View {
  scale: number;
  x: number;
  y: number;
}

export interface Size {
  width: number;
  height: number;
}

const STEP = 1.3;
const PAN_PX = 60;

/** The view with the drawing point under (x, y) of the screen held where it is. */
export function zoomAt(view: View, factor: number, x: number, y: number, least: number, most: number): View {
  const scale = Math.min(most, Math.max(least, view.scale * factor));
  const real = scale / view.scale;
  return { scale, x: x - (x - view.x) * real, y: y - (y - view.y) * real };
}

/** The view that shows a box of the drawing whole, in the middle. */
export function wholeOf(box: { x: number; y: number } & Size, screen: Size, padding = 24, most = 4): View {
  const width = Math.max(1, screen.width - 2 * padding);
  const height = Math.max(1, screen.height - 2 * padding);
  const scale = Math.min(most, width / Math.max(1e-9, box.width), height / Math.max(1e-9, box.height));
  return {
    scale,
    x: (screen.width - box.width * scale) / 2 - box.x * scale,
    y: (screen.height - box.height * scale) / 2 - box.y * scale,
  };
}

interface PanZoomProps {
  label: string;
  /** What is shown whole at first, and again when `fitKey` changes. */
  box: { x: number; y: number } & Size;
  fitKey: string;
  least?: number;
  most?: number;
  /** Draws at the size of the screen. */
  children: (view: View, screen: Size) => ReactNode;
}

export function PanZoom({ label, box, fitKey, least = 0.02, most = 8, children }: PanZoomProps) {
  const { t } = useTranslation('common');
  const frame = useRef<HTMLDivElement>(null);
  const [screen, setScreen] = useState<Size>({ width: 0, height: 0 });
  const [view, setView] = useState<View>({ scale: 1, x: 0, y: 0 });
  const [fitted, setFitted] = useState('');
  const fingers = useRef(new Map<number, { x: number; y: number }>());
  const moved = useRef(0);

  useEffect(() => {
    const element = frame.current;
    if (!element) return;
    const observer = new ResizeObserver(() => {
      setScreen({ width: element.clientWidth, height: element.clientHeight });
    });
    observer.observe(element);
    return () => observer.disconnect();
  }, []);

  const showAll = useCallback(() => setView(wholeOf(box, screen, 24, most)), [box, screen, most]);
  const wanted = `${fitKey} ${screen.width > 0}`;
  useEffect(() => {
    if (screen.width === 0 || fitted === wanted) return;
    setFitted(wanted);
    showAll();
  }, [screen, fitted, wanted, showAll]);

  // React listens to wheels passively; the page would scroll too.
  useEffect(() => {
    const element = frame.current;
    if (!element) return;
    const onWheel = (event: WheelEvent) => {
      event.preventDefault();
      const at = element.getBoundingClientRect();
      const factor = Math.exp(-event.deltaY * (event.ctrlKey ? 0.01 : 0.0015));
      setView((before) =>
        zoomAt(before, factor, event.clientX - at.left, event.clientY - at.top, least, most),
      );
    };
    element.addEventListener('wheel', onWheel, { passive: false });
    return () => element.removeEventListener('wheel', onWheel);
  }, [least, most]);

  const zoom = (factor: number) =>
    setView((before) => zoomAt(before, factor, screen.width / 2, screen.height / 2, least, most));

  const onPointerDown = (event: PointerEvent) => {
    fingers.current.set(event.pointerId, { x: event.clientX, y: event.clientY });
    moved.current = 0;
  };
  const onPointerMove = (event: PointerEvent) => {
    const before = fingers.current.get(event.pointerId);
    if (!before) return;
    const now = { x: event.clientX, y: event.clientY };
    moved.current += Math.abs(now.x - before.x) + Math.abs(now.y - before.y);
    const other = [...fingers.current].find(([id]) => id !== event.pointerId)?.[1];
    fingers.current.set(event.pointerId, now);
    if (moved.current > 4) frame.current?.setPointerCapture(event.pointerId);
    if (other) {
      const at = frame.current?.getBoundingClientRect();
      const spread = (from: { x: number; y: number }) => Math.hypot(from.x - other.x, from.y - other.y) || 1;
      const middle = {
        x: (now.x + other.x) / 2 - (at?.left ?? 0),
        y: (now.y + other.y) / 2 - (at?.top ?? 0),
      };
      setView((view) => zoomAt(view, spread(now) / spread(before), middle.x, middle.y, least, most));
    } else {
      setView((view) => ({ ...view, x: view.x + now.x - before.x, y: view.y + now.y - before.y }));
    }
  };
  const onPointerUp = (event: PointerEvent) => {
    fingers.current.delete(event.pointerId);
  };

  const onKeyDown = (event: KeyboardEvent) => {
    if (event.target !== event.currentTarget) return;
    const pan: Record<string, [number, number]> = {
      ArrowLeft: [PAN_PX, 0],
      ArrowRight: [-PAN_PX, 0],
      ArrowUp: [0, PAN_PX],
      ArrowDown: [0, -PAN_PX],
    };
    const by = pan[event.key];
    if (by) setView((before) => ({ ...before, x: before.x + by[0], y: before.y + by[1] }));
    else if (event.key === '+' || event.key === '=') zoom(STEP);
    else if (event.key === '-') zoom(1 / STEP);
    else if (event.key === '0' || event.key === 'Home') showAll();
    else return;
    event.preventDefault();
  };

  return (
    <div className={classes['outer']}>
      <div
        ref={frame}
        className={classes['frame']}
        role="application"
        aria-label={label}
        // biome-ignore lint/a11y/noNoninteractiveTabindex: the drawing is moved by keyboard
        tabIndex={0}
        onPointerDown={onPointerDown}
        onPointerMove={onPointerMove}
        onPointerUp={onPointerUp}
        onPointerCancel={onPointerUp}
        onKeyDown={onKeyDown}
      >
        {screen.width > 0 && fitted !== '' && children(view, screen)}
      </div>
      <div className={classes['buttons']}>
        <ActionIcon variant="default" size="lg" aria-label={t('zoom.in')} onClick={() => zoom(STEP)}>
          <IconPlus />
        </ActionIcon>
        <ActionIcon variant="default" size="lg" aria-label={t('zoom.out')} onClick={() => zoom(1 / STEP)}>
          <svg
            width="18"
            height="18"
            viewBox="0 0 24 24"
            stroke="currentColor"
            strokeWidth="1.8"
            aria-hidden="true"
          >
            <path d="M5 12h14" />
          </svg>
        </ActionIcon>
        <ActionIcon variant="default" size="lg" aria-label={t('zoom.all')} onClick={showAll}>
          <IconFit />
        </ActionIcon>
      </div>
    </div>
  );
}
