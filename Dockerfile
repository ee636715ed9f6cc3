# Two images of one source: `docker build --target sidecar .` and `docker build --target control-plane .`
# The final stages have no shell and no package manager (`extra` brings time zones, for risk profiles), and run as a user that owns nothing but its state.

FROM mcr.microsoft.com/dotnet/sdk:10.0-noble AS build
# Native AOT links with clang.
RUN apt-get update && apt-get install --yes --no-install-recommends clang zlib1g-dev && rm -rf /var/lib/apt/lists/*
WORKDIR /source
COPY . .
# Volumes that are not mounted are folders, which their user owns.
RUN mkdir -p /state /sockets

FROM build AS build-sidecar
RUN dotnet publish src/AuthSidecar --configuration Release --runtime linux-x64 --output /out

FROM build AS build-control-plane
RUN dotnet publish src/AuthSidecar.ControlPlane --configuration Release --output /out

FROM mcr.microsoft.com/dotnet/runtime-deps:10.0-noble-chiseled-extra AS sidecar
COPY --from=build-sidecar /out/authsidecar /app/authsidecar
COPY --from=build-sidecar /out/libsodium.so /app/libsodium.so
COPY --from=build-sidecar --chown=$APP_UID:$APP_UID /state /var/lib/authsidecar
COPY --from=build-sidecar --chown=$APP_UID:$APP_UID /sockets /run/authsidecar
USER $APP_UID
ENTRYPOINT ["/app/authsidecar"]
CMD ["serve", "--help"]

FROM mcr.microsoft.com/dotnet/aspnet:10.0-noble-chiseled-extra AS control-plane
COPY --from=build-control-plane /out /app
COPY --from=build-control-plane --chown=$APP_UID:$APP_UID /state /var/lib/authsidecar-control
COPY --from=build-control-plane --chown=$APP_UID:$APP_UID /sockets /run/authsidecar
USER $APP_UID
ENTRYPOINT ["/app/authsidecar-control"]
CMD ["serve", "--help"]
