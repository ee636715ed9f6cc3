using System.Collections;
using Google.Protobuf.Reflection;
using Google.Protobuf.WellKnownTypes;

namespace AuthSidecar.ControlPlane.Api;

/// <summary>Writes only what a request mentions (AIP-134): a field that is not given stays as it is, unless the update mask names it. A
/// list or a map that is given replaces the one of before, a message is changed field by field. A text that is empty after it is one that
/// was never given.</summary>
/// <remarks>INVARIANT: every field that is no list, map or message knows whether it is given (`optional`), but for those by which the
/// object is found.</remarks>
internal static class Patch
{
    private const string Everything = "*";

    /// <param name="current">What there is; null: nothing.</param>
    /// <param name="given">What the request gives.</param>
    /// <param name="mask">The fields to write; null: those that are given.</param>
    /// <returns>What is to be, which nobody else has.</returns>
    /// <exception cref="Grpc.Core.RpcException">INVALID_ARGUMENT: the mask names a field that there is not.</exception>
    public static T Apply<T>(T? current, T given, FieldMask? mask)
        where T : class, IMessage<T>, new()
    {
        Check(given.Descriptor, mask);
        var result = current?.Clone() ?? new T();
        if (current is null || mask?.Paths.Contains(Everything) is true)
        {
            result = given.Clone();
        }
        else if (mask is null)
        {
            Merge(result, given);
        }
        else
        {
            foreach (var path in mask.Paths)
                Replace(result, given, path.Split('.'));
        }

        ClearEmptyTexts(result);
        return result;
    }

    private static void Merge(IMessage target, IMessage given)
    {
        foreach (var field in given.Descriptor.Fields.InDeclarationOrder())
        {
            if (!IsGiven(given, field))
                continue;

            if (IsMessage(field) && field.Accessor.GetValue(target) is IMessage existing)
                Merge(existing, (IMessage)field.Accessor.GetValue(given));
            else
                Copy(target, given, field);
        }
    }

    private static void Replace(IMessage target, IMessage given, ReadOnlySpan<string> path)
    {
        var field = target.Descriptor.FindFieldByName(path[0]);
        if (path.Length == 1)
        {
            Copy(target, given, field);
            return;
        }

        if (!IsGiven(target, field))
            field.Accessor.SetValue(target, field.MessageType.Parser.ParseFrom(ByteString.Empty));

        // What is named below a message that is not given is not given either.
        var below = IsGiven(given, field) ? (IMessage)field.Accessor.GetValue(given) : field.MessageType.Parser.ParseFrom(ByteString.Empty);
        Replace((IMessage)field.Accessor.GetValue(target), below, path[1..]);
    }

    private static void Copy(IMessage target, IMessage given, FieldDescriptor field)
    {
        field.Accessor.Clear(target);
        if (!IsGiven(given, field))
            return;

        switch (field.Accessor.GetValue(given))
        {
            case IDictionary map:
                var entries = (IDictionary)field.Accessor.GetValue(target);
                foreach (DictionaryEntry entry in map)
                    entries.Add(entry.Key, entry.Value);

                break;
            case IList list:
                var items = (IList)field.Accessor.GetValue(target);
                foreach (var item in list)
                    items.Add(CloneOf(item));

                break;
            case var value: field.Accessor.SetValue(target, CloneOf(value)); break;
        }
    }

    private static object? CloneOf(object? value) => value is IMessage message
        ? message.Descriptor.Parser.ParseFrom(message.ToByteString()) : value;

    private static bool IsGiven(IMessage message, FieldDescriptor field) => field switch
    {
        { IsMap: true } or { IsRepeated: true } => ((ICollection)field.Accessor.GetValue(message)).Count > 0,
        { HasPresence: true } => field.Accessor.HasValue(message),
        // By it the object is found, and so it is the same.
        _ => true,
    };

    private static bool IsMessage(FieldDescriptor field) => field is { IsRepeated: false, IsMap: false, FieldType: FieldType.Message };

    private static void ClearEmptyTexts(IMessage message)
    {
        foreach (var field in message.Descriptor.Fields.InDeclarationOrder())
        {
            if (IsMessage(field))
            {
                if (field.Accessor.GetValue(message) is IMessage below)
                    ClearEmptyTexts(below);
            }
            else if (field is { IsRepeated: false, HasPresence: true } && field.Accessor.GetValue(message) is "")
            {
                field.Accessor.Clear(message);
            }
        }
    }

    private static void Check(MessageDescriptor message, FieldMask? mask)
    {
        foreach (var path in mask?.Paths.Where(p => p != Everything) ?? [])
        {
            var names = path.Split('.');
            var at = message;
            for (var i = 0; i < names.Length; i++)
            {
                var field = at?.FindFieldByName(names[i])
                    ?? throw ApiErrors.InvalidField("update_mask", $"`{path}`: unknown field of `{message.Name}`");
                at = IsMessage(field) ? field.MessageType : null;
            }
        }
    }
}
