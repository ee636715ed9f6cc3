using Google.Protobuf;
using Grpc.AspNetCore.Server.Model;
using Grpc.Core;
using Wire = AuthSidecar.V1;

namespace AuthSidecar.Services;

/// <summary>Binds the methods of the contract to <see cref="AuthSidecarService"/>.</summary>
/// <remarks>
/// Written by hand for the sake of its marshaller: bytes that are no message, such as a string that is not UTF-8, are the caller's
/// mistake. The generated binding would answer them UNKNOWN, as if the sidecar had failed.
/// </remarks>
internal sealed class ServiceMethods : IServiceMethodProvider<AuthSidecarService>
{
    private const string Service = "authsidecar.v1.AuthSidecarService";

    public void OnServiceMethodDiscovery(ServiceMethodProviderContext<AuthSidecarService> context)
    {
        Add(context, "ValidateToken", Wire.ValidateTokenRequest.Parser, Wire.ValidateTokenResponse.Parser, (s, r, c) => s.ValidateToken(r, c));
        Add(context, "CheckPermission", Wire.CheckPermissionRequest.Parser, Wire.CheckPermissionResponse.Parser, (s, r, c) => s.CheckPermission(r, c));
        Add(context, "CheckPermissions", Wire.CheckPermissionsRequest.Parser, Wire.CheckPermissionsResponse.Parser, (s, r, c) => s.CheckPermissions(r, c));
        Add(context, "EvaluateRisk", Wire.EvaluateRiskRequest.Parser, Wire.EvaluateRiskResponse.Parser, (s, r, c) => s.EvaluateRisk(r, c));
        Add(context, "VerifyMfa", Wire.VerifyMfaRequest.Parser, Wire.VerifyMfaResponse.Parser, (s, r, c) => s.VerifyMfa(r, c));
    }

    private static void Add<TRequest, TResponse>(
        ServiceMethodProviderContext<AuthSidecarService> context,
        string name,
        MessageParser<TRequest> requests,
        MessageParser<TResponse> responses,
        Func<AuthSidecarService, TRequest, ServerCallContext, Task<TResponse>> invoke)
        where TRequest : class, IMessage<TRequest>
        where TResponse : class, IMessage<TResponse>
    {
        var method = new Method<TRequest, TResponse>(MethodType.Unary, Service, name, MarshallerOf(requests), MarshallerOf(responses));
        context.AddUnaryMethod(method, [], (service, request, call) => invoke(service, request, call));
    }

    private static Marshaller<T> MarshallerOf<T>(MessageParser<T> parser)
        where T : class, IMessage<T> => new(
            (message, context) =>
            {
                context.SetPayloadLength(message.CalculateSize());
                message.WriteTo(context.GetBufferWriter());
                context.Complete();
            },
            context =>
            {
                try
                {
                    return parser.ParseFrom(context.PayloadAsReadOnlySequence());
                }
                catch (InvalidProtocolBufferException)
                {
                    throw Failures.MalformedMessage();
                }
            });
}
