// The parts of node-media-server that protocol.ts uses; the package has no types of its own.
declare module 'node-media-server/src/protocol/rtmp.js' {
  interface RtmpPacket {
    header: { fmt: number; type: number; length: number; stream_id: number };
    /** In ms; grows without end. */
    clock: number;
    payload: Buffer;
    capacity: number;
    /** Of the payload, what has come. */
    bytes: number;
  }

  interface Invocation {
    cmd: string;
    streamName?: unknown;
    cmdObj?: { app?: unknown };
  }

  export default class Rtmp {
    inPackets: Map<number, RtmpPacket>;
    parserPacket: RtmpPacket;
    inChunkSize: number;
    /** After how many bytes the client wants an acknowledgement; unset until it says so. */
    ackSize?: number;
    streamId: number;
    streamApp: unknown;
    streamName: string;
    onOutputCallback: (bytes: Buffer) => void;
    /** Returns null; throws whatever a malformed message makes it throw. */
    parserData(bytes: Buffer): string | null;
    packetParse(): void;
    packetAlloc(): void;
    packetHandler(): void;
    invokeHandler(): void;
    dataHandler(): void;
    onPlay(invocation: Invocation): void;
    onPublish(invocation: Invocation): void;
    onDeleteStream(invocation: Invocation): void;
    respondPlay(): void;
    respondPublish(): void;
    sendACK(bytes: number): void;
    sendStatusMessage(streamId: number, level: string, code: string, description: string): void;
    sendStreamStatus(event: number, streamId: number): void;
    static createMessage(packet: { codec_type: number; size: number; dts: number; data: Buffer }): Buffer;
  }
}

declare module 'node-media-server/src/core/logger.js' {
  const logger: { level: string; log(message: string, level?: string): void };
  export default logger;
}
