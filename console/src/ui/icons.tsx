/** Small pictures, drawn in the colour of the text around them. */
import type { ComponentType, SVGProps } from 'react';

export interface IconProps extends SVGProps<SVGSVGElement> {
  size?: number;
}
export type Icon = ComponentType<IconProps>;

/** An icon of strokes on a field of 24 by 24. */
function strokes(name: string, ...paths: string[]): Icon {
  // biome-ignore lint/correctness/noComponentHookFactories: called once for each icon, when the module is read
  function Strokes({ size = 18, ...rest }: IconProps) {
    return (
      <svg
        width={size}
        height={size}
        viewBox="0 0 24 24"
        fill="none"
        stroke="currentColor"
        strokeWidth={1.8}
        strokeLinecap="round"
        strokeLinejoin="round"
        aria-hidden="true"
        focusable="false"
        {...rest}
      >
        {paths.map((path) => (
          <path key={path} d={path} />
        ))}
      </svg>
    );
  }
  Strokes.displayName = name;
  return Strokes;
}

export const IconOverview = strokes('IconOverview', 'M3 13a9 9 0 0 1 18 0', 'M12 13l4-4', 'M5 19h14');
export const IconDevices = strokes(
  'IconDevices',
  'M4 4h7v7H4z',
  'M13 4h7v7h-7z',
  'M4 13h7v7H4z',
  'M16.5 13v7',
  'M13 16.5h7',
);
export const IconAlarm = strokes('IconAlarm', 'M6 16v-5a6 6 0 0 1 12 0v5l2 2H4z', 'M10 21h4');
export const IconMap = strokes('IconMap', 'M9 4 3 6v14l6-2 6 2 6-2V4l-6 2z', 'M9 4v14', 'M15 6v14');
export const IconTopology = strokes(
  'IconTopology',
  'M9 3h6v5H9z',
  'M3 16h6v5H3z',
  'M15 16h6v5h-6z',
  'M12 8v4',
  'M6 16v-4h12v4',
);
export const IconAssets = strokes('IconAssets', 'M3 7l9-4 9 4-9 4z', 'M3 7v10l9 4 9-4V7', 'M12 11v10');
export const IconWall = strokes('IconWall', 'M3 4h18v12H3z', 'M8 20h8', 'M12 16v4');
export const IconRules = strokes('IconRules', 'M4 6h10', 'M4 12h16', 'M4 18h7', 'M18 4v4', 'M15 16v4');
export const IconWindow = strokes(
  'IconWindow',
  'M14.7 6.3a4 4 0 0 0-5 5L4 17l3 3 5.7-5.7a4 4 0 0 0 5-5l-2.5 2.5-2.7-.8-.8-2.7z',
);
export const IconSend = strokes('IconSend', 'M4 5h16v14H4z', 'M4 7l8 6 8-6');
export const IconReport = strokes('IconReport', 'M5 20V10', 'M12 20V4', 'M19 20v-7');
export const IconUsers = strokes(
  'IconUsers',
  'M9 11a4 4 0 1 0 0-8 4 4 0 0 0 0 8z',
  'M2 21a7 7 0 0 1 14 0',
  'M16 4a4 4 0 0 1 0 7',
  'M18 14a7 7 0 0 1 4 7',
);
export const IconKey = strokes('IconKey', 'M8 19a5 5 0 1 1 3.5-8.5L21 4', 'M17 7l3 3', 'M14 9.5l2 2');
export const IconAudit = strokes('IconAudit', 'M6 3h9l4 4v14H6z', 'M14 3v5h5', 'M9 13h7', 'M9 17h5');
export const IconAgent = strokes(
  'IconAgent',
  'M4 4h16v6H4z',
  'M4 14h16v6H4z',
  'M8 7h.01',
  'M8 17h.01',
  'M12 7h5',
  'M12 17h5',
);
export const IconSearch = strokes('IconSearch', 'M11 18a7 7 0 1 0 0-14 7 7 0 0 0 0 14z', 'M16.5 16.5L21 21');
export const IconMenu = strokes('IconMenu', 'M4 6h16', 'M4 12h16', 'M4 18h16');
export const IconSound = strokes(
  'IconSound',
  'M4 9v6h4l5 4V5L8 9z',
  'M16.5 8.5a5 5 0 0 1 0 7',
  'M19 6a9 9 0 0 1 0 12',
);
export const IconMuted = strokes('IconMuted', 'M4 9v6h4l5 4V5L8 9z', 'M17 10l4 4', 'M21 10l-4 4');
export const IconSun = strokes(
  'IconSun',
  'M12 16a4 4 0 1 0 0-8 4 4 0 0 0 0 8z',
  'M12 2v2',
  'M12 20v2',
  'M4.9 4.9l1.4 1.4',
  'M17.7 17.7l1.4 1.4',
  'M2 12h2',
  'M20 12h2',
  'M4.9 19.1l1.4-1.4',
  'M17.7 6.3l1.4-1.4',
);
export const IconMoon = strokes('IconMoon', 'M20 14.5A8.5 8.5 0 0 1 9.5 4 8.5 8.5 0 1 0 20 14.5z');
export const IconUser = strokes('IconUser', 'M12 12a4 4 0 1 0 0-8 4 4 0 0 0 0 8z', 'M4 21a8 8 0 0 1 16 0');
export const IconSignOut = strokes('IconSignOut', 'M10 4H5v16h5', 'M14 8l4 4-4 4', 'M18 12H9');
export const IconCheck = strokes('IconCheck', 'M4 12.5l5 5L20 6.5');
export const IconClose = strokes('IconClose', 'M5 5l14 14', 'M19 5L5 19');
export const IconPlus = strokes('IconPlus', 'M12 5v14', 'M5 12h14');
export const IconEdit = strokes('IconEdit', 'M4 20h4L19 9l-4-4L4 16z', 'M13 7l4 4');
export const IconTrash = strokes('IconTrash', 'M4 7h16', 'M9 7V4h6v3', 'M6 7l1 13h10l1-13');
export const IconDownload = strokes('IconDownload', 'M12 4v11', 'M7 11l5 5 5-5', 'M4 20h16');
export const IconUpload = strokes('IconUpload', 'M12 16V5', 'M7 9l5-5 5 5', 'M4 20h16');
export const IconRefresh = strokes('IconRefresh', 'M20 11a8 8 0 1 0-1.5 6', 'M20 5v6h-6');
export const IconClock = strokes('IconClock', 'M12 21a9 9 0 1 0 0-18 9 9 0 0 0 0 18z', 'M12 7v5l3 2');
export const IconBellOff = strokes(
  'IconBellOff',
  'M6 16v-5c0-1 .2-2 .7-2.8',
  'M9.5 5.6A6 6 0 0 1 18 11v3',
  'M4 18h13',
  'M10 21h4',
  'M4 4l16 16',
);
export const IconFilter = strokes('IconFilter', 'M4 5h16l-6 8v6l-4-2v-4z');
export const IconCamera = strokes(
  'IconCamera',
  'M4 8h4l2-3h4l2 3h4v11H4z',
  'M12 16a3 3 0 1 0 0-6 3 3 0 0 0 0 6z',
);
export const IconPlay = strokes('IconPlay', 'M7 5l12 7-12 7z');
export const IconPrint = strokes('IconPrint', 'M7 8V3h10v5', 'M5 8h14v8H5z', 'M8 14h8v7H8z');
export const IconPin = strokes(
  'IconPin',
  'M12 21s7-6.2 7-11.5a7 7 0 0 0-14 0C5 14.8 12 21 12 21z',
  'M12 12a2.5 2.5 0 1 0 0-5 2.5 2.5 0 0 0 0 5z',
);
export const IconLink = strokes(
  'IconLink',
  'M10 14a4 4 0 0 0 6 0l3-3a4 4 0 0 0-6-6l-1 1',
  'M14 10a4 4 0 0 0-6 0l-3 3a4 4 0 0 0 6 6l1-1',
);
export const IconUp = strokes('IconUp', 'M6 15l6-6 6 6');
export const IconDown = strokes('IconDown', 'M6 9l6 6 6-6');
export const IconLeft = strokes('IconLeft', 'M15 6l-6 6 6 6');
export const IconRight = strokes('IconRight', 'M9 6l6 6-6 6');
export const IconMore = strokes('IconMore', 'M6 12h.01', 'M12 12h.01', 'M18 12h.01');
export const IconInfo = strokes('IconInfo', 'M12 21a9 9 0 1 0 0-18 9 9 0 0 0 0 18z', 'M12 11v5', 'M12 8h.01');
export const IconLanguage = strokes(
  'IconLanguage',
  'M3 6h10',
  'M8 4v2',
  'M5 13c4-1 6-4 6-7',
  'M5 9c1 2.5 3.5 4 6 4.5',
  'M12 20l4.5-10L21 20',
  'M13.6 17h5.8',
);
export const IconFit = strokes('IconFit', 'M4 9V4h5', 'M15 4h5v5', 'M20 15v5h-5', 'M9 20H4v-5');
