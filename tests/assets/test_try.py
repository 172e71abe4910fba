import time
def test_a(trained):
    p=trained.project
    print(p.states())
    t=time.time(); o=p.run("refresh_alerts"); print(o.success,o.reason,time.time()-t)
    print(p.table("fraud_rings"), p.table("published_alerts"))
    from resources.registry import ModelRegistry
    print(ModelRegistry(p.versions).list("sim"))
    print(o.checks)
def test_b(project, rows):
    t=time.time()
    k=project.land(rows(*({} for _ in range(20))),"a.parquet"); print(time.time()-t)
    for a in ("raw_transactions","prepped_transactions","augmented_transactions"):
        project.must(a,key=k); print(a, time.time()-t)
    print(project.run("ingest_upload",k).success, time.time()-t)
