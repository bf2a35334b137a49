// Offers as OBS 30 and Chromium write them, shortened where they repeat themselves; and what spoils them.
export const FINGERPRINT =
  '0A:1B:2C:3D:4E:5F:60:71:82:93:A4:B5:C6:D7:E8:F9:0A:1B:2C:3D:4E:5F:60:71:82:93:A4:B5:C6:D7:E8:F9';

const lines = (text: string) => `${text.trim().split('\n').join('\r\n')}\r\n`;

export const OBS_OFFER = lines(`
v=0
o=rtc 3767197920 0 IN IP4 127.0.0.1
s=-
t=0 0
a=group:BUNDLE 0 1
a=group:LS 0 1
a=msid-semantic:WMS *
a=setup:actpass
a=ice-ufrag:aBcD
a=ice-pwd:aBcDeFgHiJkLmNoPqRsTuVwX
a=ice-options:ice2,trickle
a=fingerprint:sha-256 ${FINGERPRINT}
m=audio 9 UDP/TLS/RTP/SAVPF 111
c=IN IP4 0.0.0.0
a=mid:0
a=sendonly
a=ssrc:1111111111 cname:stream
a=ssrc:1111111111 msid:stream stream-audio
a=msid:stream stream-audio
a=rtcp-mux
a=rtpmap:111 opus/48000/2
a=fmtp:111 minptime=10;maxaveragebitrate=96000;stereo=1;sprop-stereo=1;useinbandfec=1
m=video 9 UDP/TLS/RTP/SAVPF 96 97
c=IN IP4 0.0.0.0
a=mid:1
a=sendonly
a=ssrc:2222222222 cname:stream
a=ssrc:2222222222 msid:stream stream-video
a=ssrc-group:FID 2222222222 2222222223
a=ssrc:2222222223 cname:stream
a=msid:stream stream-video
a=rtcp-mux
a=rtpmap:96 H264/90000
a=rtcp-fb:96 nack
a=rtcp-fb:96 nack pli
a=rtcp-fb:96 goog-remb
a=fmtp:96 profile-level-id=42e01f;packetization-mode=1;level-asymmetry-allowed=1
a=rtpmap:97 rtx/90000
a=fmtp:97 apt=96
`);

export const CHROMIUM_OFFER = lines(`
v=0
o=- 4611731400430051336 2 IN IP4 127.0.0.1
s=-
t=0 0
a=group:BUNDLE 0 1
a=extmap-allow-mixed
a=msid-semantic: WMS
m=audio 9 UDP/TLS/RTP/SAVPF 111 63 9 0 8 13 110 126
c=IN IP4 0.0.0.0
a=rtcp:9 IN IP4 0.0.0.0
a=ice-ufrag:kH5x
a=ice-pwd:q7+e0cVbY1hWn0VnDeU0DqM9
a=ice-options:trickle
a=fingerprint:sha-256 ${FINGERPRINT}
a=setup:actpass
a=mid:0
a=extmap:1 urn:ietf:params:rtp-hdrext:ssrc-audio-level
a=extmap:2 http://www.webrtc.org/experiments/rtp-hdrext/abs-send-time
a=extmap:3 http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01
a=extmap:4 urn:ietf:params:rtp-hdrext:sdes:mid
a=recvonly
a=rtcp-mux
a=rtcp-rsize
a=rtpmap:111 opus/48000/2
a=rtcp-fb:111 transport-cc
a=fmtp:111 minptime=10;useinbandfec=1
a=rtpmap:63 red/48000/2
a=fmtp:63 111/111
a=rtpmap:9 G722/8000
a=rtpmap:0 PCMU/8000
a=rtpmap:8 PCMA/8000
a=rtpmap:13 CN/8000
a=rtpmap:110 telephone-event/48000
a=rtpmap:126 telephone-event/8000
m=video 9 UDP/TLS/RTP/SAVPF 96 97 103 104 107 108 109 114 98 99
c=IN IP4 0.0.0.0
a=rtcp:9 IN IP4 0.0.0.0
a=ice-ufrag:kH5x
a=ice-pwd:q7+e0cVbY1hWn0VnDeU0DqM9
a=ice-options:trickle
a=fingerprint:sha-256 ${FINGERPRINT}
a=setup:actpass
a=mid:1
a=extmap:14 urn:ietf:params:rtp-hdrext:toffset
a=extmap:2 http://www.webrtc.org/experiments/rtp-hdrext/abs-send-time
a=extmap:4 urn:ietf:params:rtp-hdrext:sdes:mid
a=recvonly
a=rtcp-mux
a=rtcp-rsize
a=rtpmap:96 VP8/90000
a=rtcp-fb:96 goog-remb
a=rtcp-fb:96 transport-cc
a=rtcp-fb:96 ccm fir
a=rtcp-fb:96 nack
a=rtcp-fb:96 nack pli
a=rtpmap:97 rtx/90000
a=fmtp:97 apt=96
a=rtpmap:103 H264/90000
a=rtcp-fb:103 nack
a=fmtp:103 level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=42001f
a=rtpmap:104 rtx/90000
a=fmtp:104 apt=103
a=rtpmap:107 H264/90000
a=rtcp-fb:107 nack
a=fmtp:107 level-asymmetry-allowed=1;packetization-mode=0;profile-level-id=42001f
a=rtpmap:108 rtx/90000
a=fmtp:108 apt=107
a=rtpmap:109 H264/90000
a=rtcp-fb:109 nack
a=fmtp:109 level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=42e01f
a=rtpmap:114 rtx/90000
a=fmtp:114 apt=109
a=rtpmap:98 VP9/90000
a=fmtp:98 profile-id=0
a=rtpmap:99 rtx/90000
a=fmtp:99 apt=98
`);

/** Makes what changes a text in one to three places, in lines, characters and numbers; the same for one seed. */
export function spoiler(seed: number): (text: string) => string {
  let state = seed;
  const random = (below: number) => (state = (state * 48_271) % 2_147_483_647) % below;
  const changes: ((text: string) => string)[] = [
    (text) => text.slice(0, random(text.length)),
    (text) => text.slice(random(text.length)),
    (text) => {
      const at = random(text.length);
      return `${text.slice(0, at)}${String.fromCharCode(random(300))}${text.slice(at + 1)}`;
    },
    (text) => {
      const lines = text.split('\r\n');
      lines.splice(random(lines.length), 1 + random(3));
      return lines.join('\r\n');
    },
    (text) => {
      const lines = text.split('\r\n');
      const line = lines[random(lines.length)] ?? '';
      return [...lines.slice(0, random(lines.length)), line, ...lines].join('\r\n');
    },
    (text) => {
      const lines = text.split('\r\n');
      const from = random(lines.length);
      lines[random(lines.length)] = lines[from] ?? '';
      return lines.join('\r\n');
    },
    (text) => text.replace(/\d+/g, (digits) => (random(40) === 0 ? '9'.repeat(random(12)) : digits)),
    (text) => text.replace(/\d+/g, (digits) => (random(20) === 0 ? String(random(256)) : digits)),
    (text) => text.replace(/[:;= ]/g, (sign) => (random(60) === 0 ? ':;= /'.charAt(random(5)) : sign)),
  ];
  return (text) => {
    let spoiled = text;
    for (let times = 1 + random(3); times > 0 && spoiled !== ''; times -= 1) {
      spoiled = changes[random(changes.length)]?.(spoiled) ?? spoiled;
    }
    return spoiled;
  };
}
