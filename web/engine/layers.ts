// Which simulcast layer a tile needs. Pure.

/** What a tile shows of a video. `hidden`: nothing of it can be seen. */
export type TileSize = 'hidden' | { readonly widthPx: number; readonly heightPx: number };

/** Lines of the camera's layers, smallest first; of fewer layers the top ones are missing at the top. */
const LAYER_LINES = [180, 360, 720];
/** A picture may be stretched by this much before the next layer is worth its bits. */
const STRETCH = 1.25;

/**
 * The layer for a tile of `size` in device pixels out of `layers`, or null if it should be paused.
 * The picture is fitted into the tile, so that the smaller of the two scales counts.
 */
export function layerFor(size: TileSize, layers: number): number | null {
  if (size === 'hidden' || size.widthPx < 1 || size.heightPx < 1) return null;
  const lines = Math.min(size.heightPx, (size.widthPx * 9) / 16);
  // With fewer layers the camera itself is smaller: the lowest layer still has about 180 lines.
  const wanted = LAYER_LINES.findIndex((layer) => layer * STRETCH >= lines);
  const top = Math.max(0, layers - 1);
  return wanted === -1 ? top : Math.min(wanted, top);
}
