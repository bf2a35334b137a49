// How a feature of a room is shown: what it makes of the class, and where it puts itself in the page.
import type { Component } from 'svelte';
import type { CreateFeature } from '../engine/feature.ts';
import type { RoomState } from '../state/room.svelte.ts';
import type { IconName } from '../view/ui/icons.ts';
import type { Words } from '../view/classroom/words.ts';

export interface PartProps {
  readonly room: RoomState;
}

export interface ButtonProps extends PartProps {
  /** Whether its label is shown on phones too: {@link BarButton}. */
  readonly labelled?: 'always' | 'tall' | undefined;
}

export interface NoteProps extends PartProps {
  /** Which panel is open. */
  readonly panel: string | null;
  /** Opens a panel. */
  readonly show: (panel: string) => void;
}

/** A panel next to the one of the people. */
export interface PanelView {
  readonly id: string;
  readonly icon: IconName;
  readonly label: () => string;
  /** What its button is called where something in it was not seen yet. */
  readonly unseen: (count: number) => string;
  readonly count: (room: RoomState) => number;
  readonly part: Component<PartProps>;
  /** A letter that no other has (`ROOM_KEYS` are the room's own), and what the list of shortcuts says of it. */
  readonly key: string;
  readonly keyText: () => string;
}

export interface FeatureView {
  readonly create: CreateFeature;
  /** In the bar, next to the panels' buttons. */
  readonly button?: Component<ButtonProps>;
  /** Above the list of people. */
  readonly people?: Component<PartProps>;
  /** How many in that part wait for an answer of this person. */
  readonly waiting?: (room: RoomState) => number;
  /** Above the stage. */
  readonly note?: Component<NoteProps>;
  readonly panel?: PanelView;
  readonly shortcut?: {
    readonly key: string;
    readonly text: () => string;
    readonly may: (room: RoomState) => boolean;
    readonly act: (room: RoomState) => void;
  };
  /** What is said of its own notices, by key. */
  readonly notices?: Readonly<Record<string, (names: readonly string[]) => Words>>;
}
