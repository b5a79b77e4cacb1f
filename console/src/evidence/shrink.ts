/** Makes a picture fit what the collector takes. One that fits already is sent as it is, down to the last byte. */

/** The most bytes that the collector takes. */
export const MOST_BYTES = 8 * 1024 * 1024;
const KINDS: readonly string[] = ['image/jpeg', 'image/png', 'image/webp'];
/** Longest sides to try, the largest first; the last one fits in any case. */
const SIDES = [4096, 3072, 2048, 1280];
const QUALITY = 0.85;

/** Whether it can be sent as it is. */
export function fits(file: Pick<Blob, 'type' | 'size'>): boolean {
  return KINDS.includes(file.type) && file.size <= MOST_BYTES;
}

/** The size of a picture whose longest side is to be at most `side`; never larger than it was. */
export function scaled(width: number, height: number, side: number): { width: number; height: number } {
  const factor = Math.min(1, side / Math.max(width, height));
  return { width: Math.max(1, Math.round(width * factor)), height: Math.max(1, Math.round(height * factor)) };
}

async function encode(picture: ImageBitmap, side: number): Promise<Blob | null> {
  const { width, height } = scaled(picture.width, picture.height, side);
  const canvas = document.createElement('canvas');
  canvas.width = width;
  canvas.height = height;
  const brush = canvas.getContext('2d');
  if (!brush) return null;
  // JPEG has no transparency; without this it would come out black.
  brush.fillStyle = '#fff';
  brush.fillRect(0, 0, width, height);
  brush.drawImage(picture, 0, 0, width, height);
  return new Promise((resolve) => canvas.toBlob(resolve, 'image/jpeg', QUALITY));
}

/** The file itself, or a smaller JPEG of it; `null` if this browser cannot read the picture. */
export async function shrink(file: File): Promise<Blob | null> {
  let picture: ImageBitmap;
  try {
    // Cameras of phones tell which way is up beside the picture.
    picture = await createImageBitmap(file, { imageOrientation: 'from-image' });
  } catch {
    return null;
  }
  try {
    if (fits(file)) return file;
    for (const side of SIDES) {
      const smaller = await encode(picture, side);
      if (smaller && smaller.size <= MOST_BYTES) return smaller;
    }
    return null;
  } finally {
    picture.close();
  }
}
