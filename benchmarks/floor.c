/*
 * The least that an agent can do: every NOTIFY is acknowledged with the same variables. What HAProxy does with
 * this agent is the price of asking at all, and what any other agent costs is to be compared with it.
 *
 *     cc -O2 -o floor benchmarks/floor.c && ./floor PORT
 *
 * One thread, all ACKs of what one read returned in one write. It trusts its peer: for benchmarks only.
 */
#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum { HAPROXY_HELLO = 1, HAPROXY_DISCONNECT = 2, NOTIFY = 3, AGENT_HELLO = 101, AGENT_DISCONNECT = 102, ACK = 103 };
enum { MAX_FRAME = 16380, MAX_CONNECTIONS = 1024, MAX_EVENTS = 64 };

#define FIN "\0\0\0\1"
#define SET_TRANSACTION_VARIABLE "\1\3\2"
#define STRING "\10"
#define HOP "0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-02-00f067aa0ba902b7"
#define TRACEPARENT "00-0af7651916cd43dd8448eb211c80319c-00f067aa0ba902b7-02"

static const char ACTIONS[] =
    SET_TRANSACTION_VARIABLE "\3hop" STRING "\105" HOP
    SET_TRANSACTION_VARIABLE "\13traceparent" STRING "\67" TRACEPARENT;

/* version 2.0, max-frame-size 16380 as a varint, capabilities pipelining */
static const char HELLO[] = "\0\0"
    "\7version" STRING "\0032.0"
    "\16max-frame-size" "\3" "\374\360\6"
    "\14capabilities" STRING "\12pipelining";

static const char GOODBYE[] = "\0\0" "\13status-code" "\3\0" "\7message" STRING "\3bye";

struct connection {
    size_t held;
    unsigned char in[4 * MAX_FRAME];
};

static unsigned char out[1 << 20];
static size_t out_length;

static void frame(unsigned char type, const void *ids, size_t ids_length, const void *payload, size_t length)
{
    uint32_t size = htonl(5 + ids_length + length);
    memcpy(out + out_length, &size, 4);
    out[out_length + 4] = type;
    memcpy(out + out_length + 5, FIN, 4);
    memcpy(out + out_length + 9, ids, ids_length);
    memcpy(out + out_length + 9 + ids_length, payload, length);
    out_length += 9 + ids_length + length;
}

/* The length of the variable-length integer at `at`. */
static size_t varint(const unsigned char *at)
{
    size_t length = 1;
    if (at[0] < 240)
        return length;
    while (at[length] >= 128)
        length++;
    return length + 1;
}

/* Returns how many of the bytes were whole frames. */
static size_t answer(const unsigned char *in, size_t length)
{
    size_t done = 0;
    while (length - done >= 4) {
        uint32_t size;
        memcpy(&size, in + done, 4);
        size = ntohl(size);
        if (length - done < 4 + size)
            break;
        const unsigned char *ids = in + done + 9;
        switch (in[done + 4]) {
        case HAPROXY_HELLO:
            frame(AGENT_HELLO, "", 0, HELLO, sizeof HELLO - 1);
            break;
        case NOTIFY: {
            size_t stream_id = varint(ids);
            frame(ACK, ids, stream_id + varint(ids + stream_id), ACTIONS, sizeof ACTIONS - 1);
            break;
        }
        case HAPROXY_DISCONNECT:
            frame(AGENT_DISCONNECT, "", 0, GOODBYE, sizeof GOODBYE - 1);
            break;
        }
        done += 4 + size;
    }
    return done;
}

/* Returns 0 when the connection is over. */
static int serve(int fd, struct connection *connection)
{
    ssize_t got = read(fd, connection->in + connection->held, sizeof connection->in - connection->held);
    if (got <= 0)
        return 0;
    size_t length = connection->held + got;
    out_length = 0;
    size_t done = answer(connection->in, length);
    memmove(connection->in, connection->in + done, length - done);
    connection->held = length - done;
    return out_length == 0 || write(fd, out, out_length) == (ssize_t)out_length;
}

int main(int argc, char **argv)
{
    static struct connection *connections[MAX_CONNECTIONS];
    struct sockaddr_in address = { .sin_family = AF_INET, .sin_port = htons(argc > 1 ? atoi(argv[1]) : 0) };
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int one = 1;
    int listener = socket(AF_INET, SOCK_STREAM, 0);
    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    if (bind(listener, (struct sockaddr *)&address, sizeof address) != 0 || listen(listener, 511) != 0) {
        perror("floor");
        return 1;
    }
    int poll = epoll_create1(0);
    struct epoll_event event = { .events = EPOLLIN, .data.fd = listener };
    epoll_ctl(poll, EPOLL_CTL_ADD, listener, &event);
    puts("ready");
    fflush(stdout);

    for (;;) {
        struct epoll_event events[MAX_EVENTS];
        int count = epoll_wait(poll, events, MAX_EVENTS, -1);
        for (int i = 0; i < count; i++) {
            int fd = events[i].data.fd;
            if (fd == listener) {
                int client = accept(listener, NULL, NULL);
                if (client < 0 || client >= MAX_CONNECTIONS) {
                    close(client);
                    continue;
                }
                setsockopt(client, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
                connections[client] = calloc(1, sizeof(struct connection));
                event.events = EPOLLIN;
                event.data.fd = client;
                epoll_ctl(poll, EPOLL_CTL_ADD, client, &event);
            } else if (!serve(fd, connections[fd])) {
                free(connections[fd]);
                close(fd);
            }
        }
    }
}
