/** The foot of the board: which view is shown, and what can be done with it. */
import { useTranslation } from 'react-i18next';
import { IconClock, IconClose, IconPlay, IconWall } from '../../ui/icons';
import type { ViewName } from './views';
import classes from './wall.module.css';

interface ControlsProps {
  views: readonly ViewName[];
  view: ViewName;
  isPaused: boolean;
  isAwake: boolean;
  onView: (view: ViewName) => void;
  onPause: () => void;
  onFullscreen: () => void;
  onLeave: () => void;
}

export function Controls({
  views,
  view,
  isPaused,
  isAwake,
  onView,
  onPause,
  onFullscreen,
  onLeave,
}: ControlsProps) {
  const { t } = useTranslation('wall');
  return (
    <footer className={classes['foot']}>
      <nav aria-label={t('views')}>
        {views.map((each) => (
          <button
            key={each}
            type="button"
            aria-current={each === view || undefined}
            onClick={() => onView(each)}
          >
            {t(`view.${each}`)}
          </button>
        ))}
      </nav>
      <div>
        {!isAwake && <span>{t('mayDim')}</span>}
        <button
          type="button"
          aria-pressed={isPaused}
          onClick={onPause}
          title={t('pause')}
          aria-label={t('pause')}
        >
          {isPaused ? <IconPlay /> : <IconClock />}
        </button>
        <button type="button" onClick={onFullscreen} title={t('fullscreen')} aria-label={t('fullscreen')}>
          <IconWall />
        </button>
        <button type="button" onClick={onLeave} title={t('leave')} aria-label={t('leave')}>
          <IconClose />
        </button>
      </div>
    </footer>
  );
}
