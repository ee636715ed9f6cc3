using System.Buffers.Text;
using System.Security.Cryptography;
using System.Text.Json.Nodes;
using AuthSidecar.ControlPlane.V1;

namespace EndToEnd.Tests;

/// <summary>A standard client that is not ours: `openid-client`, in Node, with a browser as far as one is needed.</summary>
internal sealed class OpenIdClient(Fleet fleet, string id, JsonObject settings)
{
    public const string Password = "a long walk along the Vltava";

    private string Folder => fleet.In($"client-{id}");

    /// <summary>Registers a client of the application `documents`.</summary>
    /// <param name="fleet">Where.</param>
    /// <param name="id">Its id.</param>
    /// <param name="dpop">Whether it proves possession of a key.</param>
    /// <param name="hasKey">Whether it authenticates with one.</param>
    /// <param name="scope">What it asks for.</param>
    /// <param name="account">Who signs in.</param>
    /// <param name="needsConsent">Whether they are asked; null: as is the default.</param>
    public static async Task<OpenIdClient> RegisterAsync(Fleet fleet, string id, bool dpop, bool hasKey, string scope = "openid offline_access", string account = "alice", bool? needsConsent = false)
    {
        var settings = new JsonObject
        {
            ["issuer"] = fleet.UrlOf().ToString(),
            ["clientId"] = id,
            ["redirectUri"] = "http://127.0.0.1:8123/callback",
            ["postLogoutRedirectUri"] = "http://127.0.0.1:8123/bye",
            ["scope"] = scope,
            ["name"] = account,
            ["password"] = Password,
            ["dpop"] = dpop,
        };
        var client = new Client
        {
            Id = id,
            Application = "documents",
            GrantTypes = { GrantType.AuthorizationCode, GrantType.DeviceCode },
            RedirectUris = { "http://127.0.0.1/callback" },
            PostLogoutRedirectUris = { "http://127.0.0.1/bye" },
            Scopes = { "documents.read" },
        };
        if (needsConsent is { } isAsked)
        {
            client.NeedsConsent = isAsked;
        }

        if (hasKey)
        {
            using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
            var parameters = key.ExportParameters(includePrivateParameters: true);
            var (x, y, d) = (Base64Url.EncodeToString(parameters.Q.X), Base64Url.EncodeToString(parameters.Q.Y), Base64Url.EncodeToString(parameters.D));
            settings["assertionKey"] = new JsonObject { ["kty"] = "EC", ["crv"] = "P-256", ["kid"] = "one", ["x"] = x, ["y"] = y, ["d"] = d };
            client.GrantTypes.Add(GrantType.ClientCredentials);
            client.Jwks = $$"""{"keys": [{"kty": "EC", "crv": "P-256", "kid": "one", "use": "sig", "alg": "ES256", "x": "{{x}}", "y": "{{y}}"}]}""";
        }

        await fleet.Clients.WriteClientAsync(new WriteClientRequest { Client = client }, cancellationToken: TestContext.Current.CancellationToken);
        var made = new OpenIdClient(fleet, id, settings);
        Directory.CreateDirectory(made.Folder);
        await File.WriteAllTextAsync(Path.Combine(made.Folder, "settings.json"), settings.ToJsonString());
        return made;
    }

    /// <summary>The same client on another device: with a key of its own.</summary>
    public async Task<OpenIdClient> OnAnotherDeviceAsync()
    {
        var other = new OpenIdClient(fleet, $"{id}-elsewhere", settings);
        Directory.CreateDirectory(other.Folder);
        await File.WriteAllTextAsync(Path.Combine(other.Folder, "settings.json"), settings.ToJsonString());
        return other;
    }

    /// <summary>Runs a command of flows.mjs.</summary>
    public Task<JsonNode> RunAsync(string command, params string[] arguments) => NodeScripts.RunAsync("flows.mjs", fleet.CaFile, [command, Folder, .. arguments]);
}
