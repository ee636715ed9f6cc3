using AuthSidecar.Cli.Quickstart;
using AuthSidecar.V1;

namespace Benchmarks;

/// <summary>What is asked in the benchmarks: may alice update a document of hers, which the caller describes? She may.</summary>
internal static class SampleRequests
{
    public static CheckPermissionRequest CheckPrincipal()
    {
        var request = Check();
        request.Principal = new EntityUid { Type = "User", Id = "alice" };
        return request;
    }

    public static CheckPermissionRequest CheckToken(SampleApplication sample)
    {
        var request = Check();
        request.Token = TokenOf(sample);
        return request;
    }

    public static ValidateTokenRequest ValidateToken(SampleApplication sample) => new() { Token = TokenOf(sample) };

    private static CheckPermissionRequest Check() => new()
    {
        Action = new EntityUid { Id = "update" },
        Resource = new Entity
        {
            Uid = new EntityUid { Type = "Document", Id = "draft" },
            Attributes =
            {
                ["tenant"] = new Value { String = "acme" },
                ["owner"] = new Value { Entity = new EntityUid { Type = "User", Id = "alice" } },
            },
        },
    };

    private static string TokenOf(SampleApplication sample) => File.ReadAllText(sample.TokenFileOf("alice")).Trim();
}
