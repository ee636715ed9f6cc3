using AuthSidecar.ControlPlane.V1;
using Grpc.AspNetCore.Server;
using Microsoft.AspNetCore.Authorization;
using Microsoft.OpenApi;
using Microsoft.OpenApi.Extensions;
using Microsoft.OpenApi.Models;
using Swashbuckle.AspNetCore.Swagger;
using Swashbuckle.AspNetCore.SwaggerGen;

namespace AuthSidecar.ControlPlane.Api;

/// <summary>The administration API over HTTP, described: an OpenAPI document that is made of the contract and its comments.</summary>
internal static partial class OpenApi
{
    private const string Document = "openapi";
    private const string Bearer = "bearer";

    public static IServiceCollection AddOpenApi(this IServiceCollection services) => services
        .AddGrpcSwagger()
        .AddEndpointsApiExplorer()
        .AddSwaggerGen(swagger =>
        {
            swagger.SwaggerDoc(Document, new OpenApiInfo
            {
                Title = "AuthSidecar administration",
                Version = "v1",
                Description = "Policies, entities, issuers, second factors, sidecars: whatever sidecars decide from. The same calls by "
                    + "gRPC: protos/authsidecar/controlplane/v1.",
            });
            var comments = Path.Combine(AppContext.BaseDirectory, $"{typeof(Issuer).Assembly.GetName().Name}.xml");
            swagger.IncludeXmlComments(comments);
            swagger.IncludeGrpcXmlComments(comments, includeControllerXmlComments: true);
            swagger.AddSecurityDefinition(Bearer, new OpenApiSecurityScheme
            {
                Type = SecuritySchemeType.Http,
                Scheme = Bearer,
                BearerFormat = "JWT",
                Description = "An access token, from `oauth2/token` or `authsidecar-control credentials print-access-token`.",
            });
            swagger.AddSecurityRequirement(new OpenApiSecurityRequirement
            {
                [new OpenApiSecurityScheme { Reference = new OpenApiReference { Type = ReferenceType.SecurityScheme, Id = Bearer } }] = [],
            });
            swagger.DocumentFilter<OnePathATemplate>();
            swagger.OperationFilter<NoTokenWhereNoneIsTaken>();
            swagger.CustomOperationIds(
                call => call.ActionDescriptor.EndpointMetadata.OfType<GrpcMethodMetadata>().FirstOrDefault()?.Method.Name
                    ?? call.ActionDescriptor.EndpointMetadata.OfType<IEndpointNameMetadata>().FirstOrDefault()?.EndpointName);
        });

    /// <summary>Serves it as <c>/openapi.json</c>, to anybody: the contract is no secret.</summary>
    public static void MapOpenApi(this WebApplication app)
    {
        // Of the contract alone, and so always the same: it is made once, whoever asks how often.
        var json = new Lazy<string>(
            () => app.Services.GetRequiredService<ISwaggerProvider>().GetSwagger(Document).SerializeAsJson(OpenApiSpecVersion.OpenApi3_0));
        app.MapGet($"/{Document}.json", () => Results.Text(json.Value, "application/json", Encoding.UTF8)).ExcludeFromDescription()
            .AllowAnonymous().OnlyOn(Listener.Network);
    }

    /// <summary>Paths that differ in the names of their parameters alone are identical (OpenAPI 3.0.3, "Paths Object"): `{account.id}` of a
    /// write and `{id}` of a read are one path, with the shorter name.</summary>
    private sealed partial class OnePathATemplate : IDocumentFilter
    {
        public void Apply(OpenApiDocument swaggerDoc, DocumentFilterContext context)
        {
            var paths = swaggerDoc.Paths.ToList();
            swaggerDoc.Paths.Clear();
            foreach (var (path, item) in paths)
            {
                foreach (var parameter in item.Operations.Values.SelectMany(o => o.Parameters).Where(p => p.In == ParameterLocation.Path))
                    parameter.Name = Short(parameter.Name);

                var template = Parameter().Replace(path, p => $"{{{Short(p.Groups[1].Value)}}}");
                if (swaggerDoc.Paths.TryGetValue(template, out var there))
                {
                    foreach (var (verb, operation) in item.Operations)
                        there.AddOperation(verb, operation);
                }
                else
                {
                    swaggerDoc.Paths.Add(template, item);
                }
            }
        }

        private static string Short(string name) => name[(name.LastIndexOf('.') + 1)..];

        [GeneratedRegex(@"\{([^}]*)\}")]
        private static partial Regex Parameter();
    }

    private sealed class NoTokenWhereNoneIsTaken : IOperationFilter
    {
        public void Apply(OpenApiOperation operation, OperationFilterContext context)
        {
            if (context.ApiDescription.ActionDescriptor.EndpointMetadata.OfType<IAllowAnonymous>().Any())
                operation.Security = [new OpenApiSecurityRequirement()];
        }
    }
}
