using System.Collections.Concurrent;
using AuthSidecar.V1;
using Documents;

var builder = WebApplication.CreateBuilder(args);
builder.Services.AddSingleton(_ => Sidecar.Connect(builder.Configuration["AUTHSIDECAR_ADDRESS"] ?? "unix:/run/authsidecar/authsidecar.sock"));
var app = builder.Build();

// In a real service this is a database: who owns a document is known here, and told with each request.
var documents = new ConcurrentDictionary<string, Document>
{
    ["plan"] = new("alice", "acme", "We will ship on Monday."),
    ["minutes"] = new("bob", "acme", "We met."),
    ["salaries"] = new("alice", "acme", "Confidential.", IsConfidential: true),
};

app.MapGet("/documents/{id}", (string id, HttpContext http, Sidecar sidecar) => WhereAllowedAsync(http, sidecar, "read", id, document => Results.Text(document.Text)));

app.MapPut("/documents/{id}", async (string id, HttpContext http, Sidecar sidecar) =>
{
    using var reader = new StreamReader(http.Request.Body);
    var text = await reader.ReadToEndAsync(http.RequestAborted);
    return await WhereAllowedAsync(http, sidecar, "update", id, document =>
    {
        documents[id] = document with { Text = text };
        return Results.NoContent();
    });
});

app.MapDelete("/documents/{id}", (string id, HttpContext http, Sidecar sidecar) => WhereAllowedAsync(http, sidecar, "delete", id, _ =>
{
    documents.TryRemove(id, out Document? _);
    return Results.NoContent();
}));

app.Run();

// The policy enforcement point: nothing is done but on ALLOW, and what cannot be decided is not done either.
async Task<IResult> WhereAllowedAsync(HttpContext http, Sidecar sidecar, string action, string id, Func<Document, IResult> act)
{
    if (!documents.TryGetValue(id, out var document))
    {
        return Results.NotFound();
    }

    var answer = await sidecar.CheckAsync(http, action, document.ToEntity(id));
    return answer.Decision switch
    {
        Decision.Allow => act(document),
        Decision.StepUp => Challenge(http, "insufficient_user_authentication", $", max_age={answer.StepUp.MaxAgeS}"),
        _ when answer.TokenRejection != TokenRejection.Unspecified => Challenge(http, "invalid_token", ""),
        _ => Results.StatusCode(StatusCodes.Status403Forbidden),
    };
}

// RFC 6750, section 3; RFC 9470, section 3.
static IResult Challenge(HttpContext http, string error, string more)
{
    http.Response.Headers.WWWAuthenticate = $"Bearer error=\"{error}\"{more}";
    return Results.StatusCode(StatusCodes.Status401Unauthorized);
}
