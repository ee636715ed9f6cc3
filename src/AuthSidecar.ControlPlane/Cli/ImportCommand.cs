using System.CommandLine;
using System.Text.Json;
using System.Text.Json.Nodes;
using AuthSidecar.ControlPlane.Publications;
using AuthSidecar.ControlPlane.V1;
using Google.Protobuf;
using Google.Protobuf.WellKnownTypes;
using Grpc.Core;
using Grpc.Net.Client;

namespace AuthSidecar.ControlPlane.Cli;

/// <summary><c>authsidecar-control import</c>: writes what a bundle folder holds (docs/bundle.md) to the control plane.</summary>
internal static class ImportCommand
{
    private const int EntitiesPerMessage = 1_000;

    private static readonly JsonParser Parser = new(JsonParser.Settings.Default);

    public static Command Create()
    {
        var folder = new Argument<string>("folder") { Description = "The bundle folder." };
        var application = new Option<string>("--application") { Description = "The application whose bundle it is.", Required = true };
        return AdminCommand.Create(
            "import",
            "Writes what a bundle folder holds: entities, policies, issuers, revocations, risk settings and profiles.",
            [folder, application],
            (parsed, channel, output, cancellation) => new Import(channel, parsed.GetValue(folder)!, parsed.GetValue(application)!, output, cancellation).RunAsync());
    }

    private sealed class Import(GrpcChannel channel, string folder, string application, TextWriter output, CancellationToken cancellation)
    {
        public async Task RunAsync()
        {
            try
            {
                await ImportAsync();
            }
            catch (Exception e) when (e is InvalidOperationException or ArgumentException or FormatException)
            {
                throw new InvalidDataException($"a document of `{folder}` is not as docs/bundle.md has it: {e.Message}", e);
            }
        }

        private async Task ImportAsync()
        {
            var manifest = Read("bundle.json")?.AsObject() ?? throw new InvalidDataException($"`{folder}` is no bundle: it has no `bundle.json`");
            if (manifest["packs"]?.AsArray() is { Count: > 0 } packs)
            {
                throw new InvalidDataException($"the bundle builds on the pack `{packs[0]}`: write it into the bundle with `authsidecar policy pack {packs[0]}`, and take it off `packs`");
            }

            // Entities before the policies that speak of them, so that nobody is denied in between.
            await ImportEntitiesAsync();
            await PublishPoliciesAsync();
            await WriteIssuersAsync();
            await RevokeAsync();
            await WriteRiskAsync();
            if (File.Exists(In("factors.json")))
            {
                output.WriteLine("factors.json is left out: its secrets are wrapped with a sidecar's own key; enrol anew with `authsidecar-control factors`");
            }
        }

        private async Task ImportEntitiesAsync()
        {
            if (Read("entities.json")?.AsArray() is not { Count: > 0 } entities)
            {
                return;
            }

            using var call = new DirectoryService.DirectoryServiceClient(channel).ImportEntities(cancellationToken: cancellation);
            foreach (var some in entities.Chunk(EntitiesPerMessage))
            {
                await call.RequestStream.WriteAsync(
                    new ImportEntitiesRequest { Entities = { some.Select(e => new DirectoryEntity { Application = application, Json = ToObject(e).ToJsonString() }) } }, cancellation);
            }

            await call.RequestStream.CompleteAsync();
            var revision = 0UL;
            await foreach (var progress in call.ResponseStream.ReadAllAsync(cancellation))
            {
                revision = progress.Revision;
            }

            output.WriteLine($"{entities.Count} entities: revision {revision}");
        }

        private async Task PublishPoliciesAsync()
        {
            var documents = PolicyDocuments.Load(folder);
            if (documents.Count == 0)
            {
                return;
            }

            var client = new PolicyService.PolicyServiceClient(channel);
            var published = await client.ListPolicyPublicationsAsync(new ListPolicyPublicationsRequest { Application = application, PageSize = 1 }, cancellationToken: cancellation);
            var response = await client.PublishPoliciesAsync(
                new PublishPoliciesRequest
                {
                    Application = application,
                    Documents = { documents },
                    ExpectedRevision = published.Publications.FirstOrDefault()?.Revision ?? 0,
                    Message = $"imported from {Path.GetFileName(Path.GetFullPath(folder))}",
                },
                cancellationToken: cancellation);
            output.WriteLine($"{documents.Count} documents of policies: revision {response.Revision}");
        }

        private async Task WriteIssuersAsync()
        {
            foreach (var entry in Read("issuers.json")?["issuers"]?.AsArray().Select(ToObject) ?? [])
            {
                var jwks = File.ReadAllText(In((string?)entry["jwks"] ?? throw new FormatException("an issuer names its key set in `jwks`")));
                entry.Remove("jwks");
                var issuer = Parser.Parse<Issuer>(entry.ToJsonString());
                var response = await new IssuerService.IssuerServiceClient(channel).WriteIssuerAsync(
                    new WriteIssuerRequest { Application = application, Issuer = issuer, Jwks = jwks }, cancellationToken: cancellation);
                output.WriteLine($"issuer {issuer.Issuer_}: revision {response.Revision}");
            }
        }

        private async Task RevokeAsync()
        {
            foreach (var (list, entries) in Read("revocations.json")?.AsObject().ToDictionary(l => l.Key, l => l.Value!.AsArray()) ?? [])
            {
                foreach (var entry in entries.Select(ToObject))
                {
                    var revocation = new Revocation { Issuer = (string)entry["issuer"]! };
                    switch (list)
                    {
                        case "tokens": revocation.TokenId = (string)entry["jti"]!; break;
                        case "sessions": revocation.SessionId = (string)entry["sid"]!; break;
                        case "subjects": revocation.Subject = (string)entry["sub"]!; break;
                    }

                    revocation.NotBefore = (long?)entry["notBefore"] is { } notBefore ? new Timestamp { Seconds = notBefore } : null;
                    revocation.ExpiresAt = (long?)entry["expires"] is { } expires ? new Timestamp { Seconds = expires } : null;
                    var response = await new RevocationService.RevocationServiceClient(channel).RevokeAsync(
                        new RevokeRequest { Application = application, Revocation = revocation }, cancellationToken: cancellation);
                    output.WriteLine($"revocation among {list}: revision {response.Revision}");
                }
            }
        }

        private async Task WriteRiskAsync()
        {
            var client = new RiskService.RiskServiceClient(channel);
            if (Read("risk.json")?.AsObject() is { } settings)
            {
                if (settings.Remove("geoDatabase"))
                {
                    output.WriteLine("the GeoIP database is left out: a control plane does not stream it");
                }

                var response = await client.WriteRiskSettingsAsync(
                    new WriteRiskSettingsRequest { Application = application, Settings = Parser.Parse<RiskSettings>(settings.ToJsonString()) }, cancellationToken: cancellation);
                output.WriteLine($"risk settings: revision {response.Revision}");
            }

            foreach (var (subject, profile) in Read("profiles.json")?["profiles"]?.AsObject().ToDictionary(p => p.Key, p => p.Value!) ?? [])
            {
                var response = await client.WriteRiskProfileAsync(
                    new WriteRiskProfileRequest { Application = application, Subject = subject, Profile = Parser.Parse<RiskProfile>(profile.ToJsonString()) }, cancellationToken: cancellation);
                output.WriteLine($"risk profile of {subject}: revision {response.Revision}");
            }
        }

        private static JsonObject ToObject(JsonNode? node) => node as JsonObject ?? throw new FormatException($"expected an object, found `{node?.ToJsonString() ?? "null"}`");

        private JsonNode? Read(string name)
        {
            var path = In(name);
            return File.Exists(path)
                ? JsonNode.Parse(File.ReadAllText(path), documentOptions: new JsonDocumentOptions { AllowDuplicateProperties = false, CommentHandling = JsonCommentHandling.Skip })
                : null;
        }

        private string In(string name) => Path.Combine(folder, name);
    }
}
