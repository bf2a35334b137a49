import { isErrno } from '#server/secrets.ts';

/** Names the setting that a person has to change when a port is taken. */
export function naming(setting: string, port: number): (error: unknown) => never {
  return (error) => {
    if (!isErrno(error, 'EADDRINUSE')) throw error;
    throw new Error(`Port ${port} is taken: set ${setting} to a free one.`, { cause: error });
  };
}
