# The agent, alone: no shell, no package manager, no root.
#
#     docker build --tag haproxy-otel-spoa:0.2.0 .

FROM node:24-bookworm-slim AS build
WORKDIR /build
COPY package.json package-lock.json ./
RUN npm ci --no-audit --no-fund --loglevel=error
COPY tsconfig.json ./
COPY src ./src
COPY spoe ./spoe
COPY haproxy ./haproxy
RUN npm run build
RUN npm prune --omit=dev --no-audit --no-fund --loglevel=error

FROM gcr.io/distroless/nodejs24-debian12:nonroot
WORKDIR /app
COPY --from=build /build/package.json ./
COPY --from=build /build/node_modules ./node_modules
COPY --from=build /build/dist ./dist
COPY --from=build /build/spoe ./spoe
COPY --from=build /build/haproxy ./haproxy
USER 65532:65532
# HAProxy asks here, and sends its records here: on loopback unless HAPROXY_OTEL_SPOP and HAPROXY_OTEL_RECORDS are set, for
# an HAProxy that shares the agent's network namespace.
EXPOSE 12345/tcp 12346/tcp 12346/udp
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=3s --start-period=5s CMD ["/nodejs/bin/node", "haproxy/health.mjs"]
ENTRYPOINT ["/nodejs/bin/node", "dist/main.js"]
