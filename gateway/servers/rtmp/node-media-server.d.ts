// The parts of node-media-server that nms-adapter.ts uses; the package has no types of its own.
declare module 'node-media-server/src/protocol/rtmp.js' {
  interface RtmpPacket {
    readonly header: {
      readonly fmt: number;
      readonly cid: number;
      readonly timestamp: number;
      readonly length: number;
      readonly type: number;
      readonly stream_id: number;
    };
    readonly payload: Buffer;
  }

  export default class Rtmp {
    readonly outChunkSize: number;
    onOutputCallback: (bytes: Buffer) => void;
    /** The handshake; what comes after it goes to `chunkRead`. Throws whatever that throws. */
    parserData(bytes: Buffer): string | null;
    chunkRead: (bytes: Buffer, from: number, count: number) => string | null;
    sendACK(bytes: number): void;
    sendWindowACK(bytes: number): void;
    setPeerBandwidth(bytes: number, type: number): void;
    setChunkSize(bytes: number): void;
    sendStreamStatus(event: number, streamId: number): void;
    static createMessage(packet: { codec_type: number; size: number; dts: number; data: Buffer }): Buffer;
    static chunksCreate(packet: RtmpPacket): Buffer;
  }
}
