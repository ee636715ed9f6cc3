using AuthSidecar.ControlPlane.Sidecars;
using AuthSidecar.ControlPlane.Sidecars.Fleet;
using AuthSidecar.ControlPlane.V1;
using Microsoft.Extensions.Time.Testing;

namespace AuthSidecar.ControlPlane.Tests.Sidecars.Fleet;

/// <summary>What a sidecar says of itself costs the control plane no more than what a sidecar that is as it should be costs.</summary>
public sealed class ConnectedSidecarTests
{
    private readonly FakeTimeProvider _time = new(TimeProvider.System.GetUtcNow());
    private readonly ConnectedSidecar _sidecar;
    private readonly Revision _head;

    public ConnectedSidecarTests()
    {
        _head = new Revision(History.Begin(_time.GetUtcNow(), default), 10);
        _sidecar = new ConnectedSidecar(new SidecarIdentity(new Placement("app", ""), "one"), "instance", "1.0.0", _head.History, default, _time);
    }

    /// <summary>What it keeps has outgrown a full bundle only by changes that it was sent since.</summary>
    [Fact]
    public void NoteAck_WantingAFullBundle_GetsOneAfterAChangeAlone()
    {
        Send(5);
        Ack(5, wantsFull: true);
        Assert.Equal(5, _sidecar.Sent[DataType.Entities]);
        Send(6);
        Ack(6, wantsFull: true);
        Assert.Equal(0, _sidecar.Sent[DataType.Entities]);
        Send(6);
        Ack(6, wantsFull: true);
        Assert.Equal(6, _sidecar.Sent[DataType.Entities]);
    }

    [Fact]
    public void NoteNack_OfARevisionThatWasNotSent_IsNotAnsweredByAFullBundle()
    {
        Send(5);
        Nack(4);
        Nack(99);
        Assert.Equal(5, _sidecar.Sent[DataType.Entities]);
        Nack(5);
        Assert.Equal(0, _sidecar.Sent[DataType.Entities]);
        Send(5);
        // Once for each: who refuses that too has another reason.
        Nack(5);
        Assert.Equal(5, _sidecar.Sent[DataType.Entities]);
    }

    private void Send(long revision) => _sidecar.NoteSent(default(RevisionVector).With(DataType.Entities, revision), _time.GetUtcNow());

    private void Ack(long revision, bool wantsFull) => _sidecar.NoteAck(new Ack { Type = DataType.Entities, Revision = _head.At(revision).ToString(), RequestsFullState = wantsFull }, _time.GetUtcNow());

    private void Nack(long revision) => _sidecar.NoteNack(new Nack { Type = DataType.Entities, Revision = _head.At(revision).ToString(), Reason = NackReason.Base }, _time.GetUtcNow());
}
