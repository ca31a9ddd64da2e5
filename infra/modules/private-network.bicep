metadata description = 'The virtual network that the app sends from, and private endpoints of what it sends to.'

@description('Name of the network.')
param name string

@description('Ends the names of the endpoints.')
param token string

@description('Region.')
param location string

@description('Tags.')
param tags object

@description('Address space.')
param addressPrefix string

@description('The subnet of the app.')
param functionsSubnetPrefix string

@description('The subnet of the private endpoints.')
param endpointsSubnetPrefix string

@description('The storage account.')
param storageAccountId string

@description('The namespace of the hub; empty where none is reached through the network.')
param eventHubNamespaceId string

@description('The vault; empty for none.')
param keyVaultId string

var clouds = loadJsonContent('../clouds.json')
var suffixes = clouds[environment().name]
var storageSuffix = environment().suffixes.storage

var storageEndpoints = [
  { name: 'blob', serviceId: storageAccountId, groupId: 'blob', zone: 'privatelink.blob.${storageSuffix}' }
  { name: 'queue', serviceId: storageAccountId, groupId: 'queue', zone: 'privatelink.queue.${storageSuffix}' }
  { name: 'table', serviceId: storageAccountId, groupId: 'table', zone: 'privatelink.table.${storageSuffix}' }
]
var eventHubEndpoints = empty(eventHubNamespaceId) ? [] : [
  { name: 'event-hub', serviceId: eventHubNamespaceId, groupId: 'namespace', zone: 'privatelink.${suffixes.serviceBus}' }
]
var vaultEndpoints = empty(keyVaultId) ? [] : [
  { name: 'vault', serviceId: keyVaultId, groupId: 'vault', zone: suffixes.vaultZone }
]

module network 'network.bicep' = {
  name: 'network'
  params: {
    name: name
    location: location
    tags: tags
    addressPrefix: addressPrefix
    functionsSubnetPrefix: functionsSubnetPrefix
    endpointsSubnetPrefix: endpointsSubnetPrefix
  }
}

// One by one: they change the same subnet.
@batchSize(1)
module endpoint 'private-endpoint.bicep' = [for service in concat(storageEndpoints, eventHubEndpoints, vaultEndpoints): {
  name: 'endpoint-${service.name}'
  params: {
    name: 'pe-${service.name}-${token}'
    location: location
    tags: tags
    serviceId: service.serviceId
    groupId: service.groupId
    zoneName: service.zone
    virtualNetworkName: name
  }
  dependsOn: [network]
}]
