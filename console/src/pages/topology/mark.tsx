/** The sign of a level inside a drawing: a shape each, as in the badges. */
import type { HealthLevel } from '../../api/types';

export function Mark({ level }: { level: HealthLevel }) {
  switch (level) {
    case 'working':
      return <circle cx="8" cy="8" r="5.5" fill="currentColor" />;
    case 'answering':
      return (
        <>
          <circle cx="8" cy="8" r="5.2" fill="none" stroke="currentColor" strokeWidth="1.8" />
          <path d="M8 2.8a5.2 5.2 0 0 1 0 10.4z" fill="currentColor" />
        </>
      );
    case 'reachable':
      return <path d="M8 2 14.5 13.5H1.5z" fill="none" stroke="currentColor" strokeWidth="2" />;
    case 'unreachable':
      return <path d="M8 1 15 8 8 15 1 8z" fill="currentColor" />;
    case 'maintenance':
      return <path d="M3 3h10v10H3z" fill="none" stroke="currentColor" strokeWidth="2" />;
    case 'disabled':
      return (
        <>
          <circle cx="8" cy="8" r="5.2" fill="none" stroke="currentColor" strokeWidth="1.8" />
          <path d="M4.5 11.5l7-7" stroke="currentColor" strokeWidth="1.8" />
        </>
      );
    default:
      return (
        <circle
          cx="8"
          cy="8"
          r="5.2"
          fill="none"
          stroke="currentColor"
          strokeWidth="1.8"
          strokeDasharray="2.6 2.2"
        />
      );
  }
}
