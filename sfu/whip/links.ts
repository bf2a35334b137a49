// The ICE servers that a WHIP or WHEP client is told of (RFC 9725 §4.6), as values of Link (RFC 8288).

/** One value for each server in `list`, the setting LECTERN_ICE_SERVERS. Throws an Error for a person to read. */
export function iceServerLinks(list: string): string[] {
  const servers = list
    .split(',')
    .map((entry) => entry.trim())
    .filter((entry) => entry !== '');
  return servers.map((entry) => {
    const [address = '', username, credential, ...more] = entry.split(/\s+/);
    if (!/^(stun|turn)s?:[^\s<>"]+$/.test(address) || more.length > 0 || /["\\]/.test(entry)) {
      throw new Error(`LECTERN_ICE_SERVERS: "${entry}" is no STUN or TURN server.`);
    }
    const login =
      username === undefined || credential === undefined
        ? ''
        : `; username="${username}"; credential="${credential}"; credential-type="password"`;
    return `<${address}>; rel="ice-server"${login}`;
  });
}
