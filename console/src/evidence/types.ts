/** A picture that belongs to a device, and perhaps to an alarm, an event or a command of it. */
export interface Evidence {
  id: string;
  site: string;
  device: string;
  alarm: string | null;
  event: string | null;
  command: string | null;
  taken_ms: number;
  kept_ms: number;
  /** Who delivered it. */
  by: string;
  by_kind: 'user' | 'key';
  note: string;
  media_type: string;
  width: number;
  height: number;
  bytes: number;
  sha256: string;
  /** `lost`: the collector has its name and no longer its bytes. */
  state: 'kept' | 'lost' | 'removed';
  removed: { at_ms: number; by: string; reason: string } | null;
}

/** What a new picture is about. */
export interface Subject {
  device: string;
  site: string;
  alarm?: string;
}
