using System.Buffers;
using Grpc.AspNetCore.Server.Model;
using Grpc.Core;

namespace AuthSidecar.Services;

/// <summary>Binds the methods of the contract to <see cref="AuthSidecarService"/>.</summary>
/// <remarks>
/// Written by hand for the sake of its marshallers. Requests are read from the wire into the domain, and answers written from it, without
/// the generated messages in between. And bytes that are no message, such as a string that is not UTF-8, are the caller's mistake: the
/// generated binding would answer them UNKNOWN, as if the sidecar had failed.
/// </remarks>
internal sealed class ServiceMethods(RequestReader reader) : IServiceMethodProvider<AuthSidecarService>
{
    private const string Service = "authsidecar.v1.AuthSidecarService";

    private static readonly Marshaller<Answer> Answers = Marshallers.Create(
        (Answer answer, SerializationContext context) =>
        {
            context.SetPayloadLength(answer.Bytes.Length);
            context.GetBufferWriter().Write(answer.Bytes);
            context.Complete();
        },
        context => new Answer(context.PayloadAsNewBuffer()));

    public void OnServiceMethodDiscovery(ServiceMethodProviderContext<AuthSidecarService> context)
    {
        Add(context, "ValidateToken", reader.ReadValidation, (s, r, c) => s.ValidateToken(r, c));
        Add(context, "CheckPermission", reader.ReadCheck, (s, r, c) => s.CheckPermission(r, c));
        Add(context, "CheckPermissions", reader.ReadBatch, (s, r, c) => s.CheckPermissions(r, c));
        Add(context, "EvaluateRisk", RequestReader.ReadRisk, (s, r, _) => s.EvaluateRisk(r));
        Add(context, "VerifyMfa", RequestReader.ReadMfa, (s, r, _) => s.VerifyMfa(r));
    }

    private static void Add<TRequest>(
        ServiceMethodProviderContext<AuthSidecarService> context,
        string name,
        Func<ReadOnlySequence<byte>, TRequest> read,
        Func<AuthSidecarService, TRequest, ServerCallContext, Task<Answer>> invoke)
        where TRequest : class
    {
        var requests = Marshallers.Create<TRequest>(
            (_, _) => throw new NotSupportedException("a sidecar sends no requests"),
            call => read(call.PayloadAsReadOnlySequence()));
        var method = new Method<TRequest, Answer>(MethodType.Unary, Service, name, requests, Answers);
        context.AddUnaryMethod(method, [], (service, request, call) => invoke(service, request, call));
    }
}
