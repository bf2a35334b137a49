// The least that sending one stream to many viewers can cost: the same write() calls as the gateway makes, with
// nothing around them. Arguments: port, viewers, bytes of each write, milliseconds between two writes to a viewer.
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { GROUPS = 8, MAX_VIEWERS = 4096, MAX_BYTES = 1 << 20 };

static int viewers[MAX_VIEWERS];
static char bytes[MAX_BYTES];

int main(int argc, char **argv) {
  if (argc != 5) return 2;
  int count = atoi(argv[2]), one = 1;
  size_t length = (size_t)atol(argv[3]);
  long slot_ns = (long)(atof(argv[4]) * 1e6 / GROUPS);
  if (count > MAX_VIEWERS || length > MAX_BYTES) return 2;
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(argv[1]))};
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  int server = socket(AF_INET, SOCK_STREAM, 0);
  setsockopt(server, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
  if (bind(server, (struct sockaddr *)&address, sizeof address) != 0 || listen(server, 1024) != 0) return 1;
  for (int i = 0; i < count; i += 1) {
    char request[4096];
    viewers[i] = accept(server, NULL, NULL);
    if (read(viewers[i], request, sizeof request) <= 0) return 1;
    if (write(viewers[i], bytes, 1) != 1) return 1;
    setsockopt(viewers[i], IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    fcntl(viewers[i], F_SETFL, O_NONBLOCK);
  }
  struct timespec due;
  clock_gettime(CLOCK_MONOTONIC, &due);
  for (int group = 0;; group = (group + 1) % GROUPS) {
    due.tv_nsec += slot_ns;
    due.tv_sec += due.tv_nsec / 1000000000;
    due.tv_nsec %= 1000000000;
    clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &due, NULL);
    // A viewer that does not take it loses it: what that costs the sender is the same.
    for (int i = group; i < count; i += GROUPS) if (write(viewers[i], bytes, length) < 0) continue;
  }
}
